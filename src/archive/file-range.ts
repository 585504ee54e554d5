import type { FileHandle } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { archiveInvalid } from './archive-error.ts'

/** Large enough that system calls do not count, small enough for many layers at once. */
const CHUNK_BYTES = 256 * 1024

/** Room for one chunk of `fileRange`. */
export function chunkBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES)
}

/**
 * The bytes of a file from `start` up to `end` (not included), independent of the handle's own position: many
 * ranges can be read at once.
 *
 * @param buffer a chunkBuffer that every chunk is read into: nothing is left to the garbage collector, and each
 *   chunk is to be used up before the next one is asked for
 * @throws ImgctlError FILE_UNREADABLE; ARCHIVE_INVALID when the file became shorter
 */
export async function* fileRange(
  handle: FileHandle,
  start: number,
  end: number,
  buffer?: Buffer,
): AsyncGenerator<Uint8Array> {
  for (let position = start; position < end; ) {
    const wanted = Math.min(CHUNK_BYTES, end - position)
    const chunk = await readAt(handle, position, wanted, buffer)
    if (chunk.length === 0) throw archiveInvalid('it became shorter while it was read')
    position += chunk.length
    yield chunk
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
