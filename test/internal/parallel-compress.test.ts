import { createHash, randomFillSync } from 'node:crypto'
import { Transform } from 'node:stream'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { BlockStream } from '../../src/internal/block-stream.ts'
import { gzipMembers } from '../../src/internal/gzip-members.ts'
import { parallelGzip, parallelZstd } from '../../src/internal/parallel-compress.ts'
import { zstdFrames } from '../../src/internal/zstd-frames.ts'

const MIB = 1024 * 1024

test.each([
  ['nothing', 0],
  ['one byte', 1],
  ['exactly one block', MIB],
  ['one block and a byte', MIB + 1],
  ['several blocks', 11 * MIB],
])('%s comes back as it was', async (_, size) => {
  const content = halfRandom(size)
  const packed = await gzipped(chunked(content, 65_536))
  expect(gunzipSync(packed).equals(content)).toBe(true)
})

test('zstd comes back as it was', async () => {
  const content = halfRandom(5 * MIB + 1)
  const frames: Buffer[] = []
  for await (const frame of parallelZstd!(chunked(content, 65_536))) frames.push(Buffer.from(frame))
  expect(frames).toHaveLength(6)
  expect(zstdDecompressSync(Buffer.concat(frames)).equals(content)).toBe(true)
})

describe.each([
  ['gzip', () => gzipMembers(4), gunzipSync],
  ['zstd', zstdFrames!, zstdDecompressSync],
])('a compressor of %s blocks', (_, open, decompress) => {
  test('gives the same bytes whatever it made before', async () => {
    const blocks = [halfRandom(MIB), Buffer.alloc(MIB), randomFillSync(Buffer.alloc(MIB)), halfRandom(70_000)]
    const used = open()
    for (const block of [...blocks, ...blocks.toReversed()]) {
      const fresh = open()
      const expected = Buffer.concat(await fresh.compress(block))
      expect(Buffer.concat(await used.compress(block)).equals(expected)).toBe(true)
      expect(decompress(expected).equals(block)).toBe(true)
      fresh.close()
    }
    used.close()
  })

  test('writes all of them to the same memory', async () => {
    const compressor = open()
    const memory = new Set<ArrayBufferLike>()
    for (let i = 0; i < 10; i++) {
      const parts = await compressor.compress(halfRandom(MIB))
      for (const { buffer } of parts.filter(({ length }) => length > 1000)) memory.add(buffer)
    }
    expect(memory.size).toBe(1)
    compressor.close()
  })
})

test('a compressor that cannot be rewound is a new one for each block', async () => {
  let opened = 0
  const stream = new BlockStream((options) => {
    opened++
    return new Transform({ ...options, transform: (chunk, _, done) => done(null, chunk) })
  })
  for (const block of [halfRandom(MIB), halfRandom(70_000)]) {
    expect((await stream.compress(block)).equals(block)).toBe(true)
  }
  expect(opened).toBe(2)
})

test('what does not get smaller is stored', async () => {
  const noise = randomFillSync(Buffer.alloc(2 * MIB))
  const packed = await gzipped(chunked(noise, MIB))
  expect(packed.length - noise.length).toBeLessThan(300)
  expect(gunzipSync(packed).equals(noise)).toBe(true)
})

test('what only a code for its letters makes smaller is not stored', async () => {
  const text = Buffer.from(randomFillSync(Buffer.alloc(MIB)).toString('base64'))
  expect((await gzipped(chunked(text, MIB))).length).toBeLessThan(0.8 * text.length)
})

test.each([
  ['gzip', parallelGzip],
  ['zstd', parallelZstd!],
])('the bytes of %s depend on the content alone, not on how it was cut', async (_, compress) => {
  const content = halfRandom(9 * MIB + 70_000)
  const digests = await Promise.all(
    [content.length, 1_000_003, 4096].map(async (size) =>
      sha256(await all(compress(chunked(content, size)))),
    ),
  )
  expect(new Set(digests).size).toBe(1)
})

test('no byte of the header says which machine it was', async () => {
  const packed = await gzipped(chunked(halfRandom(10), 10))
  expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
})

test('an error of the source arrives, and nothing is left running', async () => {
  async function* broken() {
    yield halfRandom(5 * MIB)
    throw new Error('read failed')
  }
  await expect(gzipped(broken())).rejects.toThrow('read failed')
})

test('reads ahead by a few blocks only', async () => {
  let read = 0
  async function* endless() {
    for (;;) {
      read += MIB
      yield halfRandom(MIB)
    }
  }
  const iterator = parallelGzip(endless())
  await iterator.next()
  expect(read).toBeLessThanOrEqual(12 * MIB)
  await iterator.return(undefined)
})

function gzipped(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return all(parallelGzip(source))
}

/** What comes out is used again: it is copied. */
async function all(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const copies: Buffer[] = []
  for await (const part of parts) copies.push(Buffer.from(part))
  return Buffer.concat(copies)
}

async function* chunked(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
}

function halfRandom(size: number): Buffer {
  const content = Buffer.alloc(size)
  randomFillSync(content, 0, Math.floor(size / 2))
  return content
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
