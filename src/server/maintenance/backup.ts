import { constants } from 'node:fs'
import { chmod, copyFile, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sql } from 'kysely'
import { ImgctlError } from '../../errors/error.ts'
import { syncFile, syncFolder } from '../../internal/durable-file.ts'
import type { Digest } from '../../oci/digest.ts'
import type { BackupReport, WorkOptions } from '../../ports/server-data.ts'
import { blobPath } from '../content/blob-store.ts'
import { fromFileError, isMissingFile } from '../content/file-errors.ts'
import { KEY_FILE } from '../identity/keys.ts'
import { markAsBackup } from '../identity/server-facts.ts'
import { DATABASE_FILE, type Db, openDatabase } from '../store/database.ts'

/** A blob that is collected while it is copied makes the next snapshot necessary; collections are rare. */
const MAX_SNAPSHOTS = 5
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600
/** The database has this name until all it speaks of is there: a folder without a database is no backup. */
const UNFINISHED = 'imgctl.db.unfinished'

interface BackupOptions extends WorkOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Copies a data folder, of a server that may be running. First the database, at one moment; then the blobs that it
 * knows, as hard links where that is possible, for a blob's file never changes. When one is gone by then, again.
 *
 * @param target is made, or is an empty folder
 * @throws ImgctlError CONFLICT when something is in `target`; BLOB_MISSING when the folder is damaged; DISK_FULL. Then all that was written is removed
 */
export async function backUp(
  db: Db,
  dataDir: string,
  target: string,
  options: BackupOptions,
): Promise<BackupReport> {
  const isMade = await makeEmpty(target)
  try {
    const copied = new Copies(dataDir, target)
    const report = await copyAll(db, copied, options)
    await copied.privateFile(KEY_FILE)
    await copied.finish()
    return report
  } catch (error) {
    await clear(target, isMade)
    throw fromFileError(error)
  }
}

async function copyAll(db: Db, copies: Copies, options: BackupOptions): Promise<BackupReport> {
  for (let tries = 1; tries <= MAX_SNAPSHOTS; tries++) {
    const file = await takeSnapshot(db, copies.target)
    const blobs = await blobsOf(file, options.now())
    if (await copyBlobs(copies, blobs, options)) {
      await copies.keepOnly(blobs)
      return { blobs: blobs.size, bytes: sumOf(blobs), copiedBytes: copies.copiedBytes }
    }
  }
  throw new ImgctlError('BLOB_MISSING', 'a blob that the database knows is not there', {
    hint: 'see which ones: imgctl serve check',
  })
}

/** The database at one moment, without what only the running server needs. */
async function takeSnapshot(db: Db, target: string): Promise<string> {
  const file = join(target, UNFINISHED)
  await rm(file, { force: true })
  // SQLite makes the file with its own permissions unless it is there, empty.
  await (await open(file, 'wx', PRIVATE_FILE)).close()
  await sql`VACUUM INTO ${file}`.execute(db)
  return file
}

/** Also forgets the uploads under way, whose bytes are not copied, and marks the snapshot as what it is. */
async function blobsOf(file: string, now: number): Promise<Map<Digest, number>> {
  const snapshot = await openDatabase(file)
  try {
    await snapshot.deleteFrom('uploads').execute()
    await markAsBackup(snapshot, now)
    const rows = await snapshot.selectFrom('blobs').select(['digest', 'size']).execute()
    // In one file again: -wal and -shm are not part of a backup.
    await sql`PRAGMA journal_mode = DELETE`.execute(snapshot)
    return new Map(rows.map(({ digest, size }) => [digest as Digest, size]))
  } finally {
    await snapshot.destroy()
  }
}

/** @returns false when a blob is not there (any more) */
async function copyBlobs(
  copies: Copies,
  blobs: ReadonlyMap<Digest, number>,
  { signal, onProgress }: WorkOptions,
): Promise<boolean> {
  const total = sumOf(blobs)
  let done = 0
  for (const [digest, size] of blobs) {
    signal.throwIfAborted()
    if (!(await copies.blob(digest, size))) return false
    done += size
    onProgress?.(done, total)
  }
  return true
}

/** What is in the backup so far. */
class Copies {
  copiedBytes = 0
  readonly target: string
  readonly #dataDir: string
  readonly #done = new Set<Digest>()
  readonly #folders = new Set<string>()

  constructor(dataDir: string, target: string) {
    this.#dataDir = dataDir
    this.target = target
  }

  /** @returns false when it is not there */
  async blob(digest: Digest, size: number): Promise<boolean> {
    if (this.#done.has(digest)) return true
    const [from, to] = [blobPath(this.#dataDir, digest), blobPath(this.target, digest)]
    await this.#folder(dirname(to))
    try {
      if (!(await linked(from, to))) {
        await copied(from, to)
        this.copiedBytes += size
      }
    } catch (error) {
      if (isMissingFile(error)) return false
      throw error
    }
    this.#done.add(digest)
    return true
  }

  async privateFile(name: string): Promise<void> {
    await copied(join(this.#dataDir, name), join(this.target, name))
  }

  /** Removes what an earlier snapshot needed and this one does not. */
  async keepOnly(blobs: ReadonlyMap<Digest, number>): Promise<void> {
    for (const digest of this.#done) if (!blobs.has(digest)) await rm(blobPath(this.target, digest))
  }

  /** All that was copied is on disk when the database gets its name. */
  async finish(): Promise<void> {
    const unfinished = join(this.target, UNFINISHED)
    await syncFile(unfinished)
    for (const folder of this.#folders) await syncFolder(folder)
    await rename(unfinished, join(this.target, DATABASE_FILE))
    for (const folder of [this.target, dirname(this.target)]) await syncFolder(folder)
  }

  async #folder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER })
    for (let path = folder; path.length > this.target.length; path = dirname(path)) this.#folders.add(path)
  }
}

/** Another file system, and some network file systems, have no hard links between the two. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EACCES'])

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (NO_LINK.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

async function copied(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await chmod(to, PRIVATE_FILE)
  await syncFile(to)
}

/** @returns whether the folder was made here */
async function makeEmpty(target: string): Promise<boolean> {
  try {
    const first = await mkdir(target, { recursive: true, mode: PRIVATE_FOLDER })
    if ((await readdir(target)).length === 0) return first !== undefined
  } catch (cause) {
    throw new ImgctlError('FILE_UNREADABLE', `the backup cannot be written to ${target}`, {
      hint: 'name a folder that this user may make',
      cause,
    })
  }
  throw new ImgctlError('CONFLICT', `there is something in ${target} already`, {
    hint: 'name a folder that is not there yet: each backup has its own',
  })
}

async function clear(target: string, isMade: boolean): Promise<void> {
  if (isMade) return rm(target, { recursive: true, force: true })
  for (const name of await readdir(target)) await rm(join(target, name), { recursive: true, force: true })
}

function sumOf(blobs: ReadonlyMap<Digest, number>): number {
  let sum = 0
  for (const size of blobs.values()) sum += size
  return sum
}
