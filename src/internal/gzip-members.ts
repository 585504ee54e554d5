import type { TransformOptions } from 'node:stream'
import * as zlib from 'node:zlib'
import { type BlockCompressor, OUTPUT_BYTES } from './block-compressor.ts'
import { isIncompressible } from './entropy.ts'

/** RFC 1952 section 2.3: deflate, no flags, no time, no extra flags, operating system "unknown". */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
/** RFC 1951 section 3.2.6: a last block with fixed codes and nothing in it. */
const LAST_BLOCK = Buffer.from([0x03, 0x00])
/** Checksum and size, RFC 1952 section 2.3.1. */
const TRAILER_BYTES = 8
/** RFC 1951 section 3.2.4: the most that one stored block holds, and the bytes before it. */
const STORED_BLOCK_BYTES = 0xffff
const STORED_HEADER_BYTES = 5
/** A tenth faster than the default for a tenth of a megabyte more. */
const MEMORY_LEVEL = 9
/** More than a block can become: a compressor never waits for its output to be taken. */
const OUTPUT_LIMIT = 4 * 1024 * 1024

/**
 * Makes each block a gzip member of its own. The compressor is one for all blocks: making a new one for each is memory
 * that the garbage collector has to find. A full flush makes it forget what came before (zlib's manual, deflate), so
 * a member depends on its block alone. What does not get smaller is stored, which takes no time.
 */
export function gzipMembers(level: number): BlockCompressor {
  const options: zlib.ZlibOptions & Pick<TransformOptions, 'readableHighWaterMark'> = {
    level,
    memLevel: MEMORY_LEVEL,
    flush: zlib.constants.Z_FULL_FLUSH,
    chunkSize: OUTPUT_BYTES,
    readableHighWaterMark: OUTPUT_LIMIT,
  }
  const deflate = zlib.createDeflateRaw(options)
  return {
    async compress(block) {
      const body = isIncompressible(block) ? stored(block) : [await deflated(deflate, block), LAST_BLOCK]
      return [HEADER, ...body, trailer(block)]
    },
    close: () => deflate.destroy(),
  }
}

function deflated(deflate: zlib.DeflateRaw, block: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflate.once('error', reject)
    deflate.write(block, () => {
      deflate.off('error', reject)
      resolve(deflate.read() ?? Buffer.alloc(0))
    })
  })
}

/** Whole blocks are copied: their memory is used again. */
function stored(block: Buffer): Buffer[] {
  const blocks = Math.ceil(block.length / STORED_BLOCK_BYTES)
  const bytes = Buffer.allocUnsafeSlow(block.length + blocks * STORED_HEADER_BYTES)
  let at = 0
  for (let from = 0; from < block.length; from += STORED_BLOCK_BYTES) {
    const part = block.subarray(from, from + STORED_BLOCK_BYTES)
    const isLast = from + part.length === block.length
    at = bytes.writeUInt8(isLast ? 1 : 0, at)
    at = bytes.writeUInt16LE(part.length, at)
    at = bytes.writeUInt16LE(0xffff - part.length, at)
    bytes.set(part, at)
    at += part.length
  }
  return [bytes]
}

function trailer(block: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(TRAILER_BYTES)
  bytes.writeUInt32LE(zlib.crc32(block), 0)
  bytes.writeUInt32LE(block.length, 4)
  return bytes
}
