import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { digestBytes } from '../../../src/oci/digest.ts'
import { encodeLayer } from '../../../src/operations/push/layer-encoder.ts'

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
