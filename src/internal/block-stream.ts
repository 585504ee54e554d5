import type { Transform, TransformOptions } from 'node:stream'
import type { ZlibOptions } from 'node:zlib'
import { BLOCK_BYTES } from './block-compressor.ts'

/** More than any block becomes, in deflate (zlib's deflateBound) and in zstd (ZSTD_compressBound): it comes in one piece. */
const OUTPUT_BYTES = BLOCK_BYTES + BLOCK_BYTES / 16
/** Room for that piece and one more: a compressor never waits for its output to be taken. */
const OUTPUT_LIMIT = 2 * OUTPUT_BYTES

export type BlockStreamOptions = Required<Pick<ZlibOptions, 'chunkSize'>> &
  Required<Pick<TransformOptions, 'readableHighWaterMark'>>

/** Node's compressors keep here where in their output buffer they write next; as old as the streams, and undocumented. */
type Rewindable = Transform & { _outOffset?: unknown }

/**
 * One of Node's compressors for one block after the other, each written to the same memory. Left alone, Node takes a
 * new output buffer whenever one is full: garbage that lives as long as blocks are under way, which V8 finds last.
 */
export class BlockStream {
  readonly #open: (options: BlockStreamOptions) => Transform
  #stream: Rewindable | undefined

  /** @param open a compressor that is at the end of a part, and knows nothing of it any more, after each write */
  constructor(open: (options: BlockStreamOptions) => Transform) {
    this.#open = open
  }

  /** What `block` becomes; the memory is used again by the next call. */
  async compress(block: Buffer): Promise<Buffer> {
    this.#stream ??= this.#open({ chunkSize: OUTPUT_BYTES, readableHighWaterMark: OUTPUT_LIMIT })
    const output = await written(this.#stream, block)
    // The room in the output buffer may decide what zstd makes of a block. A Node that does not let us rewind is to
    // give the same bytes: with a new compressor for each block.
    if (!rewind(this.#stream)) this.close()
    return output
  }

  close(): void {
    this.#stream?.destroy()
    this.#stream = undefined
  }
}

function written(stream: Transform, block: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.write(block, () => {
      stream.off('error', reject)
      resolve(stream.read() ?? Buffer.alloc(0))
    })
  })
}

function rewind(stream: Rewindable): boolean {
  if (typeof stream._outOffset !== 'number') return false
  stream._outOffset = 0
  return true
}
