import type { FileHandle } from 'node:fs/promises'
import { type ChunkBuffers, fileRange } from './file-range.ts'
import type { SparseFile } from './tar-sparse.ts'

/** Holes are handed out in pieces of this: the same zeros again and again. */
const ZEROS = Buffer.alloc(256 * 1024)

/**
 * The bytes of a sparse file of a tar from `start` up to `end` (not included), holes as zeros. Chunks are only read.
 *
 * @param handle of the tar
 * @throws as fileRange
 */
export async function* sparseRange(
  handle: FileHandle,
  { pieces }: SparseFile,
  start: number,
  end: number,
  buffers?: ChunkBuffers,
): AsyncGenerator<Uint8Array> {
  let at = start
  for (const piece of pieces) {
    const pieceEnd = piece.start + piece.length
    if (pieceEnd <= at) continue
    if (piece.start >= end) break
    yield* zeros(piece.start - at)
    at = Math.max(at, piece.start)
    const stop = Math.min(end, pieceEnd)
    const shift = piece.stored - piece.start
    yield* fileRange(handle, at + shift, stop + shift, buffers)
    at = stop
  }
  yield* zeros(end - at)
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
