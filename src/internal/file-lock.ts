import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whoever holds a lock does one short thing. A lock that is older was left by a process that died. */
const STALE_MS = 10_000
/** Waits between tries are spread, so that those who wait together do not try together. */
const TRY_AGAIN_MS = { min: 2, spread: 15 }

/**
 * Runs `action` while no other process does so under the same lock file. The file is made for that time only.
 *
 * @param waitMs how long to wait for the others
 * @returns undefined when the lock was not to be had in that time; `action` was not called then
 */
export async function withFileLock<T>(
  file: string,
  waitMs: number,
  action: () => Promise<T>,
): Promise<T | undefined> {
  const token = randomUUID()
  const deadline = Date.now() + waitMs
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  while (!(await take(file, token))) {
    await removeStale(file)
    if (Date.now() > deadline) return undefined
    await sleep(TRY_AGAIN_MS.min + Math.random() * TRY_AGAIN_MS.spread)
  }
  try {
    return await action()
  } finally {
    if ((await contentOf(file)) === token) await rm(file, { force: true })
  }
}

async function take(file: string, token: string): Promise<boolean> {
  try {
    await writeFile(file, token, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Takes a dead process's lock away. When it was renewed meanwhile, it is put back. */
async function removeStale(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined || Date.now() - found.mtimeMs < STALE_MS) return
  const seen = await contentOf(file)
  const aside = `${file}.${randomUUID()}`
  try {
    await rename(file, aside)
    if ((await contentOf(aside)) !== seen) await link(aside, file)
  } catch {
    // Another process was quicker: it removed the lock, or holds it now.
  } finally {
    await rm(aside, { force: true })
  }
}

async function contentOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined)
}
