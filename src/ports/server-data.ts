/** What a check found wrong. Codes are for scripts, the rest is for people. */
export interface Finding {
  readonly code: FindingCode
  /** A digest, `organization/repository:tag`, or a file. */
  readonly subject: string
  readonly problem: string
}

export type FindingCode =
  /** SQLite itself finds the file damaged, or a row refers to one that is not there. */
  | 'DATABASE_DAMAGED'
  | 'KEYS_MISSING'
  | 'KEYS_WRONG'
  | 'BLOB_MISSING'
  | 'BLOB_DAMAGED'
  /** Its file is there and may be whole, but this process cannot read it: it belongs to another user. */
  | 'BLOB_UNREADABLE'
  /** A manifest needs a blob or manifest that its repository does not have. */
  | 'CONTENT_MISSING'
  | 'MANIFEST_DAMAGED'
  | 'TAG_BROKEN'
  | 'IMAGE_BROKEN'
  /** A file that nothing knows, older than the grace time: it should have been swept. */
  | 'FILE_ORPHANED'

export interface CheckReport {
  readonly findings: readonly Finding[]
  readonly blobs: number
  /** Of the blobs, hashed. */
  readonly bytes: number
  readonly manifests: number
  readonly tags: number
  readonly images: number
}

export interface BackupReport {
  readonly blobs: number
  /** Of all blobs in the backup. */
  readonly bytes: number
  /** Of the blobs that were copied; the others share their bytes on disk with the server's. */
  readonly copiedBytes: number
}

export interface CollectReport {
  /** Unfinished for a day. */
  readonly uploads: number
  readonly manifests: number
  readonly blobs: number
  /** Of the blobs. */
  readonly bytes: number
}

export interface WorkOptions {
  readonly signal: AbortSignal
  /** How many bytes of how many are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/** The data folder of a server on this machine, whether the server runs or not. */
export interface ServerData {
  /** Reads everything and changes nothing. */
  check(options: WorkOptions): Promise<CheckReport>
  /**
   * As `check`, and then forgets the blobs that are missing or damaged, so that clients send them again.
   *
   * @returns what was found, and how many blobs were forgotten
   * @throws ImgctlError CONFLICT while a server runs on the folder; FILE_NOT_FOUND when the disk of the blobs is away
   */
  repair(options: WorkOptions): Promise<CheckReport & { readonly forgotten: number }>
  /**
   * Copies the folder into `target`, which is made.
   *
   * @throws ImgctlError CONFLICT when something is in `target`; DISK_FULL. Then nothing is left there
   */
  backup(target: string, options: WorkOptions): Promise<BackupReport>
  /** What `collect` would remove now. */
  previewCollection(): Promise<CollectReport>
  /** Removes what nothing needs: through the server when it runs, else by itself. */
  collect(signal: AbortSignal): Promise<CollectReport>
}
