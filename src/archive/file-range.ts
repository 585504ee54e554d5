import type { FileHandle } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { archiveInvalid } from './archive-error.ts'

/** Large enough that system calls do not count, small enough for many layers at once. */
const CHUNK_BYTES = 256 * 1024

/** Room for the chunks of one `fileRange`, used in turn. */
export type ChunkBuffers = readonly [Buffer, Buffer]

export function chunkBuffers(): ChunkBuffers {
  return [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)]
}

/**
 * The bytes of a file from `start` up to `end` (not included), independent of the handle's own position: many
 * ranges can be read at once. While a chunk is used the next one is read.
 *
 * @param buffers what chunks are read into: nothing is left to the garbage collector, and each chunk is to be used
 *   up before the next one is asked for
 * @throws ImgctlError FILE_UNREADABLE; ARCHIVE_INVALID when the file became shorter
 */
export async function* fileRange(
  handle: FileHandle,
  start: number,
  end: number,
  buffers?: ChunkBuffers,
): AsyncGenerator<Uint8Array> {
  const read = (position: number, turn: number) => {
    const reading = readAt(handle, position, Math.min(CHUNK_BYTES, end - position), buffers?.[turn % 2])
    // It is awaited when its turn comes, or never when nobody asks for it.
    reading.catch(() => {})
    return reading
  }
  let next: Promise<Uint8Array> | undefined = start < end ? read(start, 0) : undefined
  try {
    for (let [position, turn] = [start, 1]; next !== undefined; turn++) {
      const chunk = await next
      if (chunk.length === 0) throw archiveInvalid('it became shorter while it was read')
      position += chunk.length
      next = position < end ? read(position, turn) : undefined
      yield chunk
    }
  } finally {
    // The handle must not be closed under a read, nor a buffer be used again.
    await next?.catch(() => {})
  }
}

/**
 * Up to `length` bytes at `position`; fewer at the end of the file.
 *
 * @throws ImgctlError FILE_UNREADABLE
 */
export async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
  buffer: Buffer = Buffer.allocUnsafeSlow(length),
): Promise<Uint8Array> {
  let filled = 0
  try {
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
  } catch (cause) {
    throw new ImgctlError('FILE_UNREADABLE', `the archive cannot be read at byte ${position}`, { cause })
  }
  return buffer.subarray(0, filled)
}
