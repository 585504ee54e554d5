import { mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ImgctlError, isCode } from '../errors/error.ts'
import { DATABASE_FILE, type Db, openDatabase } from './store/database.ts'

/** Keys and everyone's images are in the folder. */
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600
const OTHERS = 0o077

/**
 * Makes the folder, for its owner only. One that is there already stays as it is: it may be a mount, or a mistake.
 *
 * @throws ImgctlError FILE_UNREADABLE when it cannot be a folder of this user's
 */
export async function prepareDataFolder(dataDir: string, log: Logger): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: PRIVATE_FOLDER })
    const { mode } = await stat(dataDir)
    if (process.platform !== 'win32' && mode & OTHERS) {
      log.warn({ dataDir }, 'others on this machine can look into the data folder: chmod 700 it')
    }
  } catch (cause) {
    throw new ImgctlError('FILE_UNREADABLE', `this cannot be the data folder: ${dataDir}`, {
      hint: 'choose a folder that this user may write to with --data',
      cause,
    })
  }
}

/** @throws ImgctlError FILE_UNREADABLE when the file is damaged, or of a newer version; DISK_FULL */
export async function openDatabaseIn(dataDir: string): Promise<Db> {
  const file = join(dataDir, DATABASE_FILE)
  try {
    // SQLite gives its other files the permissions of this one.
    const handle = await open(file, 'a', PRIVATE_FILE)
    await handle.close()
    return await openDatabase(file)
  } catch (cause) {
    if (isCode(cause, 'DISK_FULL')) throw cause
    throw new ImgctlError('FILE_UNREADABLE', `the server's database cannot be opened: ${file}`, {
      hint: 'use the imgctl version that wrote it, or a newer one; if it is damaged, restore a backup',
      cause,
    })
  }
}
