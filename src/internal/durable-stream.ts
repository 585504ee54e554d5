import { unlinkSync } from 'node:fs'
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './durable-file.ts'
import { SyncAhead } from './sync-ahead.ts'
import { sweepTemporaryFiles, temporaryFile } from './temporary-file.ts'

/** Chunks of a socket are 64 KB: a write for each would be waited for more than it takes. */
const BUFFER_BYTES = 1024 * 1024
const SYNC_AHEAD_BYTES = 64 * 1024 * 1024

/**
 * Writes a stream to `path` as a whole: until its last byte is on disk the path is what it was, and on failure or
 * abort nothing is left; what a killed run left in the folder is removed first. Each chunk is written before the next one
 * is asked for. Links are followed. The file gets the permissions that a shell's redirection gives.
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
  await sweepTemporaryFiles(folder)
  const temporary = temporaryFile(folder)
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
    const written = writeAll(handle, source)
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

/** To the disk, and closed in any case. While one buffer is written the other is filled. */
async function writeAll(handle: FileHandle, source: AsyncIterable<Uint8Array>): Promise<void> {
  let [filling, leaving] = [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)]
  let filled = 0
  let writing: Promise<void> = Promise.resolve()
  const ahead = new SyncAhead(handle, SYNC_AHEAD_BYTES)
  const flush = async () => {
    await writing
    ahead.wrote(filled)
    writing = writeBuffer(handle, filling.subarray(0, filled))
    // Thrown where it is waited for.
    writing.catch(() => {})
    ;[filling, leaving] = [leaving, filling]
    filled = 0
  }
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + BUFFER_BYTES - filled)
        filling.set(part, filled)
        filled += part.length
        at += part.length
        if (filled === BUFFER_BYTES) await flush()
      }
    }
    await flush()
    await writing
    await ahead.settled()
    if (ahead.failure !== undefined) throw ahead.failure
    await handle.sync()
  } finally {
    await writing.catch(() => {})
    await ahead.settled()
    await handle.close()
  }
}

async function writeBuffer(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten
  }
}

/** Where open files cannot be removed (Windows) it is removed after it was closed. */
function removeNow(path: string): void {
  try {
    unlinkSync(path)
  } catch {}
}
