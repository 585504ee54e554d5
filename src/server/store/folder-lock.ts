import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ImgctlError } from '../../errors/error.ts'
import { isDatabaseBusy } from './failure.ts'

const LOCK_FILE = 'lock.db'
/** Says who holds the lock, for the message only; the lock is what counts. */
const PID_FILE = 'server.pid'

export interface FolderLock {
  release(): Promise<void>
}

/**
 * Takes the data folder for this process alone. The operating system holds the lock (through SQLite, which
 * knows every platform's way) and drops it when the process ends, however it ends.
 *
 * @throws ImgctlError CONFLICT naming the process that holds it
 */
export async function lockFolder(dataDir: string): Promise<FolderLock> {
  const pidFile = join(dataDir, PID_FILE)
  const database = new DatabaseSync(join(dataDir, LOCK_FILE))
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!isDatabaseBusy(error)) throw error
    throw await heldByAnother(dataDir, pidFile)
  }
  // On a full disk the lock holds without it.
  await writeFile(pidFile, `${process.pid}\n`, { mode: 0o600 }).catch(() => {})
  return {
    async release() {
      await rm(pidFile, { force: true })
      database.close()
    },
  }
}

async function heldByAnother(dataDir: string, pidFile: string): Promise<ImgctlError> {
  const pid = await readFile(pidFile, 'utf8').catch(() => '')
  const who = /^\d+\n$/.test(pid) ? `process ${pid.trim()}` : 'another process'
  return new ImgctlError('CONFLICT', `a server is already running on ${dataDir} (${who})`, {
    hint: 'use that server, stop it first, or choose another folder with --data',
  })
}
