import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { constants, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { splitZstdFrames } from '../../src/archive/split-zstd-frames.ts'

const split = (chunks: readonly Uint8Array[]) =>
  Readable.from(splitZstdFrames(Readable.from(chunks))).toArray()
const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }
const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5])
const frames = [
  zstdCompressSync('one'),
  zstdCompressSync(Buffer.alloc(1_000_000), checksum),
  zstdCompressSync(''),
  zstdCompressSync(randomBytes(300_000)),
  skippable,
  Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]),
  zstdCompressSync(Buffer.alloc(400_000, 'text'), checksum),
]

describe('frames in a row', () => {
  test('in one chunk are cut where each ends', async () => {
    expect(await split([Buffer.concat(frames)])).toEqual(frames)
  })

  test.each([1, 7, 4096])('in chunks of %i bytes: no chunk goes beyond the end of a frame', async (size) => {
    const whole = Buffer.concat(frames)
    const chunks: Buffer[] = []
    for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size))
    const ends = new Set<number>()
    let position = 0
    for (const chunk of (await split(chunks)) as Buffer[]) {
      position += chunk.length
      ends.add(position)
    }
    expect(position).toBe(whole.length)
    let end = 0
    for (const frame of frames) {
      end += frame.length
      expect(ends).toContain(end)
    }
  })
})

test('what is no frame goes on as it is', async () => {
  const garbage = Buffer.from('this is no zstd at all')
  expect(await split([Buffer.concat([frames[0]!, garbage])])).toEqual([frames[0], garbage])
})
