import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Runs `action` while holding the kernel lock on `path`, waiting for it as long as it takes.
 * The lock is held by a `flock` child that lives as long as our pipe to it, so a killed process
 * never leaves a lock behind. `onWait` is called once when another process holds it.
 */
export async function withLock<T>(path: string, action: () => Promise<T>, onWait?: () => void): Promise<T> {
  await mkdir(dirname(path), { recursive: true })
  const holder = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const ended = once(holder, 'exit')
  const waiting = setTimeout(() => onWait?.(), 500)
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      ended.then(([code]) => {
        throw new Error(`flock on ${path} ended with code ${code}`)
      }),
    ])
    clearTimeout(waiting)
    return await action()
  } finally {
    clearTimeout(waiting)
    holder.stdin.end()
    await ended.catch(() => {})
  }
}
