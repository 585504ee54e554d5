import * as zlib from 'node:zlib'
import { BLOCK_BYTES, type BlockCompressor } from './block-compressor.ts'
import { BlockStream } from './block-stream.ts'
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
/** The most that a stored block becomes. */
const STORED_BYTES = BLOCK_BYTES + Math.ceil(BLOCK_BYTES / STORED_BLOCK_BYTES) * STORED_HEADER_BYTES

/**
 * Makes each block a gzip member of its own. The compressor is one for all blocks: making a new one for each is memory
 * that the garbage collector has to find. A full flush makes it forget what came before (zlib's manual, deflate), so
 * a member depends on its block alone. What does not get smaller is stored, which takes no time.
 */
export function gzipMembers(level: number): BlockCompressor {
  const stream = new BlockStream((options) =>
    zlib.createDeflateRaw({
      ...options,
      level,
      memLevel: MEMORY_LEVEL,
      flush: zlib.constants.Z_FULL_FLUSH,
    }),
  )
  let room: Buffer | undefined
  return {
    async compress(block) {
      if (!isIncompressible(block)) return [HEADER, await stream.compress(block), LAST_BLOCK, trailer(block)]
      room ??= Buffer.allocUnsafeSlow(STORED_BYTES)
      return [HEADER, stored(block, room), trailer(block)]
    },
    close: () => stream.close(),
  }
}

/** Writes the stored form of `block` to `bytes`, and answers what it takes of it. */
function stored(block: Buffer, bytes: Buffer): Buffer {
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
  return bytes.subarray(0, at)
}

function trailer(block: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(TRAILER_BYTES)
  bytes.writeUInt32LE(zlib.crc32(block), 0)
  bytes.writeUInt32LE(block.length, 4)
  return bytes
}
