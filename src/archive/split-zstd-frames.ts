/** https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1 */
const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const SKIPPABLE_MASK = 0xfffffff0
const BLOCK_HEADER_BYTES = 3
const RLE_BLOCK = 1
const CHECKSUM_BYTES = 4
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const

/**
 * Cuts zstd data where its frames end. Node's decompressor takes what follows a frame in the same chunk for the end
 * of everything and drops it without an error, and parallel compressors write many frames. Data that are not
 * frames go on as they are: the decompressor says what is wrong with them.
 */
export async function* splitZstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const walk = new FrameWalk()
  for await (const chunk of source) {
    let start = 0
    for (let at = 0; at < chunk.length; ) {
      at = walk.go(chunk, at)
      if (!walk.atEnd) continue
      yield chunk.subarray(start, at)
      start = at
    }
    if (start < chunk.length) yield chunk.subarray(start)
  }
}

type State = 'magic' | 'descriptor' | 'block' | 'skippable' | 'lost'

/** Where in a frame a stream is: headers are collected byte by byte, bodies skipped. */
class FrameWalk {
  /** Whether the last byte gone over was the last of a frame. */
  atEnd = false
  #state: State = 'magic'
  #header: number[] = []
  #skip = 0
  #isLastBlock = false
  #trailer = 0

  /** Goes on in `chunk` from `at`. @returns where it stopped: at the end of a frame, or of a part of it */
  go(chunk: Uint8Array, at: number): number {
    this.atEnd = false
    if (this.#state === 'lost') return chunk.length
    if (this.#skip > 0) {
      const skipped = Math.min(this.#skip, chunk.length - at)
      this.#skip -= skipped
      this.#endIfDone()
      return at + skipped
    }
    this.#header.push(chunk[at]!)
    if (this.#header.length === this.#headerLength()) this.#readHeader()
    return at + 1
  }

  #headerLength(): number {
    if (this.#state === 'descriptor') return 1
    return this.#state === 'block' ? BLOCK_HEADER_BYTES : 4
  }

  #readHeader(): void {
    const value = this.#header.reduceRight((sum, byte) => sum * 256 + byte, 0)
    this.#header = []
    if (this.#state === 'descriptor') this.#readDescriptor(value)
    else if (this.#state === 'block') this.#readBlock(value)
    else if (this.#state === 'skippable') this.#readBody(value, true)
    else if (value === FRAME_MAGIC) this.#state = 'descriptor'
    else this.#state = (value & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC ? 'skippable' : 'lost'
  }

  #readDescriptor(descriptor: number): void {
    const isSingleSegment = (descriptor & 0x20) !== 0
    const sizeFlag = descriptor >> 6
    const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : CONTENT_SIZE_BYTES[sizeFlag]!
    this.#skip = (isSingleSegment ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3]! + sizeBytes
    this.#trailer = descriptor & 4 ? CHECKSUM_BYTES : 0
    this.#state = 'block'
  }

  #readBlock(header: number): void {
    const isRle = ((header >> 1) & 3) === RLE_BLOCK
    const isLast = (header & 1) === 1
    this.#readBody((isRle ? 1 : header >> 3) + (isLast ? this.#trailer : 0), isLast)
  }

  #readBody(bytes: number, isLast: boolean): void {
    this.#skip = bytes
    this.#isLastBlock = isLast
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#skip > 0 || !this.#isLastBlock) return
    this.atEnd = true
    this.#isLastBlock = false
    this.#state = 'magic'
  }
}
