import type { FileHandle } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { archiveInvalid } from './archive-error.ts'

/** Large enough that system calls do not count, small enough for many layers at once. */
const CHUNK_BYTES = 256 * 1024

/**
 * The bytes of a file from `start` up to `end` (not included), independent of the handle's own position: many
 * ranges can be read at once.
 *
 * @throws ImgctlError FILE_UNREADABLE; ARCHIVE_INVALID when the file became shorter
 */
export async function* fileRange(handle: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let position = start; position < end; ) {
    const wanted = Math.min(CHUNK_BYTES, end - position)
    const chunk = await readAt(handle, position, wanted)
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
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(length)
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
