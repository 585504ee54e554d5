/** What a compressor asks memory for at a time: little goes to waste, and few pieces are put together. */
export const OUTPUT_BYTES = 256 * 1024

/** Makes each block a part of a compressed stream; one block at a time. */
export interface BlockCompressor {
  /** The part that stands for this block alone, in pieces. `block` is in use until it answers. */
  compress(block: Buffer): Promise<readonly Buffer[]>
  close(): void
}
