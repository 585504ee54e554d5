import { Readable } from 'node:stream'
import type { UploadSource } from './blob-upload.ts'

/**
 * A stream in parts of at least `bytes` (the last may be smaller, none is empty). While one part is used the
 * next is read, so two of them are in memory.
 */
export async function* chunksOf(stream: Readable, bytes: number): AsyncGenerator<readonly Buffer[]> {
  const parts = partsOf(stream, bytes)
  let next = parts.next()
  for (;;) {
    const { value, done } = await next
    if (done) return
    next = parts.next()
    // Thrown where it is awaited; when the reader has left by then, nobody needs to know.
    next.catch(() => {})
    yield value
  }
}

/** Buffers as the part of a blob that begins at `from`. */
export function bufferedSource(from: number, buffers: readonly Buffer[]): UploadSource {
  const end = buffers.reduce((sum, { byteLength }) => sum + byteLength, from)
  return {
    from,
    end,
    isWhole: false,
    open: (offset) => Readable.from(after(buffers, offset - from), { objectMode: false }),
  }
}

async function* partsOf(stream: Readable, bytes: number): AsyncGenerator<readonly Buffer[]> {
  let part: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    part.push(chunk)
    length += chunk.byteLength
    if (length < bytes) continue
    yield part
    part = []
    length = 0
  }
  if (length > 0) yield part
}

function* after(buffers: readonly Buffer[], offset: number): Generator<Buffer> {
  let skip = offset
  for (const buffer of buffers) {
    if (skip < buffer.byteLength) yield buffer.subarray(skip)
    skip = Math.max(0, skip - buffer.byteLength)
  }
}
