import { createHash, randomFillSync } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { gzipMembers } from '../../src/internal/gzip-members.ts'
import { parallelGzip, parallelZstd } from '../../src/internal/parallel-compress.ts'

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
  for await (const frame of parallelZstd!(chunked(content, 65_536))) frames.push(frame)
  expect(frames).toHaveLength(6)
  expect(zstdDecompressSync(Buffer.concat(frames)).equals(content)).toBe(true)
})

test('a block gives the same bytes whichever compressor made it, and whatever it made before', async () => {
  const blocks = [halfRandom(MIB), Buffer.alloc(MIB), randomFillSync(Buffer.alloc(MIB)), halfRandom(70_000)]
  const used = gzipMembers(4)
  for (const block of [...blocks, ...blocks.toReversed()]) {
    const fresh = gzipMembers(4)
    const expected = Buffer.concat(await fresh.compress(block))
    expect(Buffer.concat(await used.compress(block)).equals(expected)).toBe(true)
    expect(gunzipSync(expected).equals(block)).toBe(true)
    fresh.close()
  }
  used.close()
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

test('the bytes depend on the content alone, not on how it was cut', async () => {
  const content = halfRandom(9 * MIB)
  const digests = await Promise.all(
    [content.length, 1_000_003, 4096].map(async (size) => sha256(await gzipped(chunked(content, size)))),
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

async function gzipped(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of parallelGzip(source)) parts.push(part)
  return Buffer.concat(parts)
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
