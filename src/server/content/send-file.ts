import { read } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { ImgctlError } from '../../errors/error.ts'

/** One half goes out while the other is filled. */
const BUFFER_BYTES = 512 * 1024

/**
 * Sends a part of a file through two buffers that are used again and again: new memory for each read would cost
 * more than the reading. `target` must be done with a chunk when it calls back, as sockets and responses are; it
 * is not ended.
 */
export async function sendFile(
  file: FileHandle,
  { start, end }: { readonly start: number; readonly end: number },
  target: Writable,
): Promise<void> {
  const size = Math.min(BUFFER_BYTES, end - start + 1)
  let [filling, leaving] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)]
  let sent: Promise<void> = Promise.resolve()
  for (let position = start; position <= end; ) {
    const count = await fill(file, filling, position, Math.min(size, end - position + 1))
    await sent
    sent = write(target, filling.subarray(0, count))
    // Handled when it is waited for; until then a failure must not count as unhandled.
    sent.catch(() => {})
    position += count
    ;[filling, leaving] = [leaving, filling]
  }
  await sent
}

function fill(file: FileHandle, buffer: Buffer, position: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file.fd, buffer, 0, length, position, (error, count) => {
      if (error) reject(error)
      else if (count === 0)
        reject(new ImgctlError('INTERNAL', 'a file of the server is shorter than its record'))
      else resolve(count)
    })
  })
}

function write(target: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new ImgctlError('BAD_REQUEST', 'the client went away'))
    if (target.destroyed) return closed()
    target.once('close', closed)
    target.write(chunk, (error) => {
      target.off('close', closed)
      if (error) reject(error)
      else resolve()
    })
  })
}
