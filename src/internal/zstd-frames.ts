import * as zlib from 'node:zlib'
import type { BlockCompressor } from './block-compressor.ts'
import { BlockStream } from './block-stream.ts'

/** Makes each block a Zstandard frame of its own; undefined where this Node has no zstd (before 22.15). */
export const zstdFrames: (() => BlockCompressor) | undefined =
  typeof zlib.createZstdCompress === 'function' ? framesOfOneStream : undefined

/** Each write ends a frame; the next one begins with nothing known (zstd's manual, ZSTD_compressStream2). */
function framesOfOneStream(): BlockCompressor {
  const stream = new BlockStream((options) =>
    zlib.createZstdCompress({ ...options, flush: zlib.constants.ZSTD_e_end }),
  )
  return {
    compress: async (block) => [await stream.compress(block)],
    close: () => stream.close(),
  }
}
