import { promisify } from 'node:util'
import * as zlib from 'node:zlib'

/**
 * A block's input. Fixed, so that the output depends on the input alone: never on threads or chunk borders. One MiB costs
 * 0.2 % of size against a single stream (200 MB of shared libraries and documents), and keeps memory small.
 */
const BLOCK_BYTES = 1024 * 1024
/** Blocks in flight: what libuv's pool runs at once by default. Bounds memory to about 8 blocks. */
const BLOCKS_AT_ONCE = 4
/** What a compressor asks memory for at a time: little goes to waste, and few pieces are put together. */
const OUTPUT_BYTES = 256 * 1024
/** What `gzip` and registries use: layers are stored for long. */
const LAYER_LEVEL = 6
/** RFC 1952 section 2.3: byte 9 names the operating system; 255 is "unknown", the same on every machine. */
const OS_BYTE = 9
const OS_UNKNOWN = 255

type Compress = (block: Buffer) => Promise<Buffer>

/**
 * Gzip on all cores: independent members of fixed size, one after the other, which every gzip reader takes as one
 * stream (RFC 1952 section 2.2). The same input gives the same bytes, so the same digest, on every machine.
 */
export function parallelGzip(
  source: AsyncIterable<Uint8Array>,
  level: number = LAYER_LEVEL,
): AsyncGenerator<Buffer> {
  const gzip = promisify(zlib.gzip)
  return inParallel(source, async (block) => {
    const member = await gzip(block, { level, chunkSize: OUTPUT_BYTES })
    member[OS_BYTE] = OS_UNKNOWN
    return member
  })
}

/**
 * Zstandard on all cores: independent frames of fixed size, which every reader takes as one stream (RFC 8878
 * section 3). Undefined where this Node has no zstd (before 22.15).
 */
export const parallelZstd: ((source: AsyncIterable<Uint8Array>) => AsyncGenerator<Buffer>) | undefined =
  typeof zlib.zstdCompress === 'function'
    ? (source) => {
        const compress = promisify(zlib.zstdCompress)
        return inParallel(source, (block) => compress(block, { chunkSize: OUTPUT_BYTES }))
      }
    : undefined

async function* inParallel(source: AsyncIterable<Uint8Array>, compress: Compress): AsyncGenerator<Buffer> {
  const inFlight: Promise<Buffer>[] = []
  // Blocks are used again: left to the garbage collector they would be most of the memory.
  const free: Buffer[] = []
  let started = false
  try {
    for await (const block of blocksOf(source, () => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES))) {
      started = true
      inFlight.push(
        compress(block).finally(() => {
          if (block.length === BLOCK_BYTES) free.push(block)
        }),
      )
      if (inFlight.length >= BLOCKS_AT_ONCE) yield await inFlight.shift()!
    }
    if (!started) inFlight.push(compress(Buffer.alloc(0)))
    while (inFlight.length > 0) yield await inFlight.shift()!
  } finally {
    // Left early: the blocks under way still settle, and must not become unhandled rejections.
    await Promise.allSettled(inFlight)
  }
}

async function* blocksOf(source: AsyncIterable<Uint8Array>, newBlock: () => Buffer): AsyncGenerator<Buffer> {
  let block = newBlock()
  let filled = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(BLOCK_BYTES - filled, chunk.length - at)
      block.set(chunk.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled < BLOCK_BYTES) continue
      yield block
      block = newBlock()
      filled = 0
    }
  }
  if (filled > 0) yield block.subarray(0, filled)
}
