import { randomUUID } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { syncFolder } from './durable-file.ts'

/** Fewer system calls: what is waiting is written together. */
const BUFFER_BYTES = 1024 * 1024

/**
 * Writes a stream to `path` as a whole: until its last byte is on disk the path is what it was, and on failure or
 * abort nothing is left. Links are followed. The file gets the permissions that a shell's redirection gives.
 *
 * @throws what the file system or `source` throws; the signal's reason
 */
export async function writeStreamDurably(
  path: string,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const target = await realpath(path).catch(() => path)
  const folder = dirname(target)
  const temporary = join(folder, `.${basename(target)}.${randomUUID()}.tmp`)
  const handle = await open(temporary, 'wx', 0o666)
  // Neither a sync of many gigabytes nor a source that stalls can be interrupted: they are left behind.
  let abandon = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abandon = () => {
      removeNow(temporary)
      reject(signal?.reason)
    }
  })
  signal?.addEventListener('abort', abandon, { once: true })
  try {
    // Flushed to the disk and closed at its end, closed when it fails.
    const file = handle.createWriteStream({ flush: true, highWaterMark: BUFFER_BYTES })
    const written = pipeline(source, file, signal ? { signal } : {})
    written.catch(() => {})
    await Promise.race([written, aborted])
    signal?.throwIfAborted()
    await rename(temporary, target)
    await syncFolder(folder)
  } catch (error) {
    await rm(temporary, { force: true })
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abandon)
  }
}

/** Where open files cannot be removed (Windows) it is removed after it was closed. */
function removeNow(path: string): void {
  try {
    unlinkSync(path)
  } catch {}
}
