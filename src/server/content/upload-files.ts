import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import { fromFileError, isMissingFile } from './file-errors.ts'
import { type Adopt, type Upload, UploadFile, unknownUpload } from './upload-file.ts'

/** Files `uploads/<id>`: bytes that are not a blob yet. Ids are trusted file names. */
export interface UploadFiles {
  /** @param algorithm what the digest at the end will probably be of; another one costs reading the file again */
  create(id: string, algorithm?: DigestAlgorithm): Promise<void>
  /** Bytes received; undefined when there is no such upload. */
  size(id: string): Promise<number | undefined>
  /**
   * Gives an upload to one user at a time. A user whose stream has stalled loses it to the next one: a client
   * that lost its connection comes back before the server has noticed.
   *
   * @throws ImgctlError NOT_FOUND; CONFLICT (retryable) while another user is at work
   */
  use<T>(id: string, action: (upload: Upload) => Promise<T>): Promise<T>
  /** Removes an upload; what is being appended to it breaks off. Nothing happens when it is gone. */
  remove(id: string): Promise<void>
  /** Every upload that has a file, with the time of its last byte (milliseconds since 1970). */
  list(): Promise<{ id: string; modifiedAt: number }[]>
}

/** @param stalledMs how long a sender must be silent before another may replace it */
export async function openUploadFiles(folder: string, stalledMs: number, adopt: Adopt): Promise<UploadFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const known = new Map<string, UploadFile>()

  const find = async (id: string): Promise<UploadFile | undefined> => {
    const present = known.get(id)
    if (present) return present
    const found = await fileState(join(folder, id))
    if (!found) return undefined
    // Another request may have found it in the meantime.
    const file = known.get(id) ?? new UploadFile(join(folder, id), found.size, undefined, adopt)
    known.set(id, file)
    return file
  }

  return {
    async create(id, algorithm = 'sha256') {
      const path = join(folder, id)
      try {
        await (await open(path, 'wx', 0o600)).close()
      } catch (error) {
        throw fromFileError(error)
      }
      known.set(id, new UploadFile(path, 0, algorithm, adopt))
    },
    async size(id) {
      return (await find(id))?.settledSize()
    },
    async use(id, action) {
      const file = await find(id)
      if (!file) throw unknownUpload()
      try {
        return await file.use(action, stalledMs)
      } finally {
        if (file.ended) known.delete(id)
      }
    },
    async remove(id) {
      const file = await find(id)
      await file?.end()
      known.delete(id)
    },
    async list() {
      const states = await Promise.all(
        (await readdir(folder)).map(async (id) => ({ id, state: await fileState(join(folder, id)) })),
      )
      return states.flatMap(({ id, state }) => (state ? [{ id, modifiedAt: state.modifiedAt }] : []))
    },
  }
}

async function fileState(path: string): Promise<{ size: number; modifiedAt: number } | undefined> {
  try {
    const { size, mtimeMs } = await stat(path)
    return { size, modifiedAt: mtimeMs }
  } catch (error) {
    if (isMissingFile(error)) return undefined
    throw error
  }
}
