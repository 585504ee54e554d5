import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from './process-alive.ts'
import { hasSystemCode } from './system-code.ts'

/** Longer than anything that is done under a lock: a holder that is older is stuck, or of a machine that is gone. */
const LONGEST_HOLD_MS = 60_000
/** A holder works for a second at most; waiters look often enough not to add to that. */
const POLL_MS = 25
/** What a released lock holds. */
const FREE = 'free'

/**
 * Runs `action` while no other process of this user, on this machine, is inside a lock of the same name.
 *
 * Each holder has the file `NAME.<n>` with the highest number. The next one makes `NAME.<n+1>`, exclusively, when the
 * highest says that it is free or its process is gone, and only then removes lower ones. The highest number never
 * goes down, so nobody who made a file while a higher one exists believes that it holds the lock. A crash needs no
 * cleaning up.
 *
 * @param folder is made (0700) when it is not there; one file stays in it for each name
 * @throws the signal's reason, and system errors of the folder
 */
export async function withProcessLock<T>(
  folder: string,
  name: string,
  action: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const held = await acquire(folder, name, signal)
  try {
    return await action()
  } finally {
    await writeFile(held, FREE).catch(() => {})
  }
}

async function acquire(folder: string, name: string, signal: AbortSignal | undefined): Promise<string> {
  for (;;) {
    signal?.throwIfAborted()
    const numbers = await numbersOf(folder, name)
    const last = Math.max(0, ...numbers)
    if (last === 0 || !(await isHeld(fileOf(folder, name, last)))) {
      const made = await take(folder, name, last + 1)
      if (made !== undefined) return made
    }
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted())
  }
}

/** @returns the file that makes this process the holder; undefined when another one was faster */
async function take(folder: string, name: string, number: number): Promise<string | undefined> {
  const file = fileOf(folder, name, number)
  try {
    const handle = await open(file, 'wx', 0o600)
    await handle.writeFile(`${process.pid}@${hostname()}`).finally(() => handle.close())
  } catch (error) {
    if (hasSystemCode(error, 'EEXIST')) return undefined
    throw error
  }
  const numbers = await numbersOf(folder, name)
  if (Math.max(...numbers) > number) {
    await rm(file, { force: true })
    return undefined
  }
  const lower = numbers.filter((other) => other < number)
  await Promise.all(lower.map((other) => rm(fileOf(folder, name, other), { force: true })))
  return file
}

/** A file that is empty yet is one whose maker writes just now. */
async function isHeld(file: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)])
    if (text === FREE || Math.abs(Date.now() - mtimeMs) > LONGEST_HOLD_MS) return false
    const [pid = '', host] = text.split(/@(.*)/s)
    return text === '' || host !== hostname() || isAlive(Number(pid))
  } catch {
    return true
  }
}

async function numbersOf(folder: string, name: string): Promise<number[]> {
  const files = await readdir(folder)
  return files
    .filter((file) => file.startsWith(`${name}.`))
    .map((file) => Number(file.slice(name.length + 1)))
    .filter(Number.isSafeInteger)
}

function fileOf(folder: string, name: string, number: number): string {
  return join(folder, `${name}.${number}`)
}
