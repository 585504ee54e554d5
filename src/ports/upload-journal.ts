/** What a run needs to know to go on with another run's upload session. */
export interface SavedUpload {
  /** Where the session goes on. It may be signed: it is a secret. */
  readonly url: string
  /** The registry's `OCI-Chunk-Min-Length`, bytes; 0 without one. */
  readonly minChunk: number
  /** What the session was sent, in ascending order. Empty for a blob whose digest was known from the start. */
  readonly checkpoints: readonly Checkpoint[]
}

export interface Checkpoint {
  /** Bytes from the start of the blob. */
  readonly offset: number
  /** sha256 of the bytes before it, in hex. */
  readonly sha256: string
}

/** The note of one upload. It is a hint: its failures are never errors. */
export interface UploadRecord {
  /** What a run that ended left, once: nobody else gets it then. Undefined when there is nothing, or it is too old. */
  take(): Promise<SavedUpload | undefined>
  save(upload: SavedUpload): Promise<void>
  /** The session is of no more use. */
  clear(): Promise<void>
}

/** Notes of upload sessions, so that a run goes on where an earlier one was killed. */
export interface UploadJournal {
  /**
   * @param content stands for the bytes: equal when they are the same
   */
  record(upload: {
    /** host or host:port */
    readonly registry: string
    readonly repository: string
    readonly content: string
  }): UploadRecord
}
