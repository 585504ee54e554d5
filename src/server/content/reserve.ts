import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isCode } from '../../errors/error.ts'
import { isDatabaseFull } from '../store/failure.ts'
import { fromFileError } from './file-errors.ts'

/**
 * Space on disk that is kept for starting the server and for removing things. To remove a row SQLite first writes to
 * its log, and on a full disk it could not: nothing could be deleted, and the disk would stay full.
 */
export interface Reserve {
  /**
   * Runs an action. When it finds the disk full, a piece of the reserve is given back to the disk and the action runs
   * again; it must leave nothing behind when it fails.
   */
  use<T>(action: () => Promise<T>): Promise<T>
  /** Takes what is missing of the reserve from the disk, as far as there is space. */
  refill(): Promise<void>
}

/** In pieces, because an upload at work may take what is given back. */
const PIECES = 8
/** A removal writes some hundred kilobytes; SQLite's log grows to about 4 MiB until it begins anew. */
const PIECE_BYTES = 1024 * 1024
const FOLDER = 'reserve'

/** The reserve of a data folder. It is empty until `refill`, but for what is there from before. */
export async function openReserve(dataDir: string): Promise<Reserve> {
  const folder = join(dataDir, FOLDER)
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(ignoreFullDisk)
  const release = async (): Promise<boolean> => {
    const [piece] = await readdir(folder)
    if (piece === undefined) return false
    await rm(join(folder, piece), { force: true })
    return true
  }
  let filling: Promise<void> | undefined
  return {
    async use(action) {
      for (;;) {
        try {
          return await action()
        } catch (error) {
          if (!isFullDisk(error) || !(await release())) throw error
        }
      }
    },
    refill() {
      filling ??= fill(folder).finally(() => {
        filling = undefined
      })
      return filling
    },
  }
}

async function fill(folder: string): Promise<void> {
  const present = new Set(await readdir(folder))
  for (let i = 0; i < PIECES; i++) {
    if (!present.has(String(i)) && !(await addPiece(join(folder, String(i))))) return
  }
}

/** @returns false when there is no space for it */
async function addPiece(path: string): Promise<boolean> {
  const handle = await open(path, 'wx', 0o600).catch(ignoreFullDisk)
  if (!handle) return false
  try {
    // A file system that compresses would keep zeros in no space.
    await handle.writeFile(randomBytes(PIECE_BYTES))
    await handle.sync()
    return true
  } catch (error) {
    await rm(path, { force: true })
    ignoreFullDisk(error)
    return false
  } finally {
    await handle.close()
  }
}

function ignoreFullDisk(error: unknown): undefined {
  if (!isFullDisk(error)) throw error
}

/** As SQLite, as a system call, or as this server says it. */
function isFullDisk(error: unknown): boolean {
  return isDatabaseFull(error) || isCode(fromFileError(error), 'DISK_FULL')
}
