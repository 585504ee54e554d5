import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'
import { syncFolder } from '../../internal/durable-file.ts'
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../../oci/digest.ts'
import { fromFileError, isMissingFile } from './file-errors.ts'
import { KeyedLock } from './keyed-lock.ts'
import { sendFile } from './send-file.ts'
import { STALLED_MS, type StoredBlob } from './upload-file.ts'
import { openUploadFiles, type UploadFiles } from './upload-files.ts'

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface WriteRules {
  /** Without it the digest is the sha256 of what came. */
  readonly expectedDigest?: Digest
  /** More bytes than this are TOO_LARGE. */
  readonly maxBytes?: number
}

/** A blob's bytes, there until they are sent even when the blob is removed meanwhile. */
export interface OpenBlob {
  /** Writes a range to a socket or response, as fast as it takes it, and closes the blob; `target` is not ended. */
  sendTo(target: Writable, range: ByteRange): Promise<void>
}

/**
 * Blobs as files, one per digest for the whole server: `blobs/<algorithm>/ab/<hex>`. A blob appears under its
 * digest whole, verified and durable, or not at all. Who may see it is not decided here but by links.
 */
export interface BlobStore {
  /** The size of a blob's file in bytes; undefined when there is none. */
  size(digest: Digest): Promise<number | undefined>
  /** @throws ImgctlError BLOB_MISSING */
  read(digest: Digest, range?: ByteRange): Promise<Readable>
  /** Opens a blob to send it. @throws ImgctlError BLOB_MISSING */
  open(digest: Digest): Promise<OpenBlob>
  /**
   * Stores what a stream gives. `keep` runs when the file is durable and while nothing can remove it: in it,
   * commit the row that makes the blob needed. Without such a row the file is an orphan and is swept.
   *
   * @throws ImgctlError DIGEST_MISMATCH, TOO_LARGE, DISK_FULL, or what the stream failed with; nothing is left
   */
  writeBlob<T>(source: Readable, rules: WriteRules, keep: (blob: StoredBlob) => Promise<T>): Promise<T>
  /** Removes a blob's file when `agreed` answers true; nothing can store the same blob in between. */
  removeBlob(digest: Digest, agreed: () => Promise<boolean>): Promise<boolean>
  /** Every blob that has a file, needed or not. */
  digests(): AsyncIterable<Digest>
  /** Uploads that have not become blobs. */
  readonly uploads: UploadFiles
}

export const BLOBS_FOLDER = 'blobs'
export const UPLOADS_FOLDER = 'uploads'
const ALGORITHMS = ['sha256', 'sha512'] as const
/** Large reads: a download is a handful of system calls per megabyte. */
const READ_CHUNK_BYTES = 512 * 1024

/** The file of a blob in a data folder. */
export function blobPath(dataDir: string, digest: Digest): string {
  const hex = digestHex(digest)
  return join(dataDir, BLOBS_FOLDER, digestAlgorithm(digest), hex.slice(0, 2), hex)
}

/**
 * Opens the blobs in a data folder; its folders are made when they are not there.
 *
 * @param options.stalledMs see UploadFiles.use
 */
export async function openBlobStore(
  dataDir: string,
  options: { readonly stalledMs?: number } = {},
): Promise<BlobStore> {
  const root = join(dataDir, BLOBS_FOLDER)
  const folders = new DurableFolders()
  for (const algorithm of ALGORITHMS) await folders.ensure(join(root, algorithm))
  const locks = new KeyedLock()
  const pathOf = (digest: Digest) => blobPath(dataDir, digest)

  const openFile = async (digest: Digest) => {
    try {
      return await open(pathOf(digest), 'r')
    } catch (error) {
      if (!isMissingFile(error)) throw error
      throw new ImgctlError('BLOB_MISSING', `the server has no blob ${digest}`, { cause: error })
    }
  }

  const adopt = async <T>(file: string, blob: StoredBlob, keep: (blob: StoredBlob) => Promise<T>) =>
    locks.run(blob.digest, async () => {
      const path = pathOf(blob.digest)
      try {
        await folders.ensure(dirname(path))
        await rename(file, path)
        await syncFolder(dirname(path))
      } catch (error) {
        throw fromFileError(error)
      }
      return keep(blob)
    })
  const uploads = await openUploadFiles(join(dataDir, UPLOADS_FOLDER), options.stalledMs ?? STALLED_MS, adopt)

  return {
    uploads,
    async size(digest) {
      try {
        return (await stat(pathOf(digest))).size
      } catch (error) {
        if (isMissingFile(error)) return undefined
        throw error
      }
    },
    async read(digest, range) {
      const handle = await openFile(digest)
      return handle.createReadStream({ ...range, highWaterMark: READ_CHUNK_BYTES })
    },
    async open(digest) {
      const handle = await openFile(digest)
      return {
        sendTo: (target, range) => sendFile(handle, range, target).finally(() => handle.close()),
      }
    },
    async writeBlob(source, { expectedDigest, maxBytes }, keep) {
      const id = `write-${randomUUID()}`
      const algorithm = expectedDigest ? digestAlgorithm(expectedDigest) : 'sha256'
      try {
        await uploads.create(id, algorithm)
        return await uploads.use(id, async (upload) => {
          await upload.append(source, maxBytes)
          return upload.finish(expectedDigest, keep)
        })
      } finally {
        await uploads.remove(id)
      }
    },
    removeBlob(digest, agreed) {
      return locks.run(digest, async () => {
        if (!(await agreed())) return false
        await rm(pathOf(digest), { force: true })
        return true
      })
    },
    async *digests() {
      for (const algorithm of ALGORITHMS) {
        for (const folder of await readdir(join(root, algorithm))) {
          for (const hex of await readdir(join(root, algorithm, folder))) {
            const digest = `${algorithm}:${hex}`
            if (isDigest(digest)) yield digest
          }
        }
      }
    },
  }
}

/** Makes folders that survive a power cut; each is made and synced once, whoever needs it first. */
class DurableFolders {
  readonly #made = new Map<string, Promise<void>>()

  ensure(folder: string): Promise<void> {
    const known = this.#made.get(folder)
    if (known) return known
    const making = this.#make(folder)
    this.#made.set(folder, making)
    making.catch(() => this.#made.delete(folder))
    return making
  }

  async #make(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let path = folder; path.length >= first.length; path = dirname(path)) await syncFolder(dirname(path))
  }
}
