import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { digestBytes } from '../../../src/oci/digest.ts'
import { assertCompression, encodeLayer } from '../../../src/operations/push/layer-encoder.ts'

const TAR = Buffer.from('a layer, as far as this test is concerned '.repeat(1000))

test('a plain tar is compressed, and its digest is of the bytes that passed', async () => {
  let read = 0
  const encoded = encodeLayer(Readable.from([TAR]), 'none', ({ length }) => {
    read += length
  })
  const sent = await buffer(encoded.stream)
  expect(gunzipSync(sent).equals(TAR)).toBe(true)
  expect(encoded.finish()).toEqual({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestBytes(sent),
    size: sent.length,
  })
  expect(read).toBe(TAR.length)
})

test.each([
  ['gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
] as const)('what is %s already goes as it is', async (compression, mediaType) => {
  const stored = gzipSync(TAR)
  const encoded = encodeLayer(Readable.from([stored]), compression, () => {})
  expect((await buffer(encoded.stream)).equals(stored)).toBe(true)
  expect(encoded.finish()).toEqual({
    mediaType,
    digest: digestBytes(stored),
    size: stored.length,
  })
})

test('a plain tar becomes zstd where that is wanted: one frame after the other, the same bytes every time', async () => {
  const tar = Buffer.concat(Array.from({ length: 60 }, () => TAR))
  const encode = async () => {
    const encoded = encodeLayer(Readable.from([tar]), 'none', () => {}, 'zstd')
    return { sent: await buffer(encoded.stream), made: encoded.finish() }
  }
  const { sent, made } = await encode()
  expect(made).toEqual({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
    digest: digestBytes(sent),
    size: sent.length,
  })
  expect((await encode()).made).toEqual(made)
  expect(framesOf(sent).map((frame) => zstdDecompressSync(frame).length)).toEqual([
    1 << 20,
    1 << 20,
    expect.any(Number),
  ])
  expect(Buffer.concat(framesOf(sent).map((frame) => zstdDecompressSync(frame))).equals(tar)).toBe(true)
})

test('what is gzip already stays gzip, whatever is wanted', async () => {
  const stored = gzipSync(TAR)
  const encoded = encodeLayer(Readable.from([stored]), 'gzip', () => {}, 'zstd')
  expect((await buffer(encoded.stream)).equals(stored)).toBe(true)
  expect(encoded.finish().mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip')
})

test('a compression that the server does not take is refused, with those that it takes', () => {
  expect(() => assertCompression('zstd', ['gzip', 'none'])).toThrowError(
    expect.objectContaining({ code: 'UNSUPPORTED', hint: 'it takes gzip, none' }),
  )
  expect(() => assertCompression('zstd', ['gzip', 'zstd'])).not.toThrow()
  expect(() => assertCompression('gzip')).not.toThrow()
})

/** Cut where the magic number stands (RFC 8878, section 3.1.1); in this text it is nowhere else. */
function framesOf(bytes: Buffer): Buffer[] {
  const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
  const starts: number[] = []
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) starts.push(at)
  return starts.map((start, i) => bytes.subarray(start, starts[i + 1]))
}
