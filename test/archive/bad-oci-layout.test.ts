import { gzipSync } from 'node:zlib'
import { describe, expect } from 'vitest'
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { hex, LayoutBuilder, tar } from './build-archive.ts'
import { type BadArchive, config, layer, testRefusals } from './refusal.ts'
import { temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()

const layout = (change: (builder: LayoutBuilder) => unknown[]): Uint8Array => {
  const builder = new LayoutBuilder()
  return tar(builder.entries(change(builder)))
}

const LAYOUT_CASES: BadArchive[] = [
  [
    'a layout without oci-layout',
    () => tar([{ name: 'index.json', body: '{}' }]),
    'ARCHIVE_INVALID',
    /no 'oci-layout'/,
  ],
  [
    'a layout without index',
    () => tar([{ name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' }]),
    'ARCHIVE_INVALID',
    /no 'index.json'/,
  ],
  [
    'a layout of version 2',
    () =>
      tar([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"2.0.0"}' },
        { name: 'index.json', body: '{}' },
      ]),
    'ARCHIVE_INVALID',
    /names no version/,
  ],
  [
    'a layout of version null',
    () =>
      tar([
        { name: 'oci-layout', body: 'null' },
        { name: 'index.json', body: '{}' },
      ]),
    'ARCHIVE_INVALID',
    /names no version/,
  ],
  ['an index that names nothing', () => layout(() => []), 'ARCHIVE_INVALID', /holds no image/],
  [
    'an index that is a manifest',
    () =>
      tar([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
        {
          name: 'index.json',
          body: JSON.stringify({
            schemaVersion: 2,
            config: { mediaType: OCI_CONFIG, digest: `sha256:${hex(config)}`, size: 1 },
            layers: [],
          }),
        },
      ]),
    'ARCHIVE_INVALID',
    /'index.json' is not an index/,
  ],
  [
    'a descriptor whose digest is a path',
    () => layout(() => [{ mediaType: OCI_MANIFEST, digest: 'sha256:../../etc/passwd', size: 1 }]),
    'ARCHIVE_INVALID',
    /'index.json': .*digest/,
  ],
  [
    'no manifest',
    () =>
      layout((builder) => {
        const image = builder.image([layer])
        builder.drop(image.digest)
        return [image]
      }),
    'ARCHIVE_INVALID',
    /no 'blobs\/sha256\/[0-9a-f]{64}'/,
  ],
  [
    'no layer blob',
    () =>
      layout((builder) => {
        const blob = builder.blob(gzipSync(layer), OCI_LAYER_GZIP)
        builder.drop(blob.digest)
        return [builder.manifest(builder.blob(config, OCI_CONFIG), [blob])]
      }),
    'ARCHIVE_INVALID',
    /no 'blobs\/sha256\/[0-9a-f]{64}'/,
  ],
  [
    'a manifest of another size',
    () => layout((builder) => [{ ...builder.image([layer]), size: 3 }]),
    'ARCHIVE_INVALID',
    /its descriptor says 3/,
  ],
  [
    'a manifest that calls itself something else',
    () =>
      layout((builder) => [
        { ...builder.image([layer]), mediaType: 'application/vnd.oci.image.index.v1+json' },
      ]),
    'ARCHIVE_INVALID',
    /calls itself/,
  ],
  [
    'a manifest that does not hash to its digest',
    () => replaced('schemaVersion":2,"mediaType', 'schemaVersion":2,"mediaTypf'),
    'DIGEST_MISMATCH',
    /is damaged/,
  ],
  [
    'a config that does not hash to its digest',
    () => replaced('Entrypoint', 'Entrypoinz'),
    'DIGEST_MISMATCH',
    /damaged/,
  ],
  [
    'a layer that does not hash to its digest',
    () => {
      const bytes = Buffer.from(layout((builder) => [builder.image([layer])]))
      const stored = gzipSync(layer)
      const at = bytes.indexOf(stored)
      bytes[at + 20]! ^= 1
      return bytes
    },
    'DIGEST_MISMATCH',
    /damaged/,
  ],
  [
    'a layer of another size',
    () =>
      layout((builder) => {
        const blob = builder.blob(gzipSync(layer), OCI_LAYER_GZIP)
        return [builder.manifest(builder.blob(config, OCI_CONFIG), [{ ...blob, size: 5 }])]
      }),
    'ARCHIVE_INVALID',
    /the layer .* its descriptor says 5/,
  ],
  [
    'fewer layers than diff_ids',
    () => layout((builder) => [builder.manifest(builder.blob(config, OCI_CONFIG), [])]),
    'ARCHIVE_INVALID',
    /1 diff_ids for 0 layers/,
  ],
  [
    'indexes nested ten deep',
    () =>
      layout((builder) => {
        let inner: unknown = builder.image([layer])
        for (let depth = 0; depth < 10; depth++) inner = builder.index([inner])
        return [inner]
      }),
    'ARCHIVE_INVALID',
    /nested more than 4 deep/,
  ],
  [
    'indexes that lead to millions of manifests',
    () =>
      layout((builder) => {
        let inner: unknown = builder.image([layer])
        for (let depth = 0; depth < 3; depth++) inner = builder.index(Array(300).fill(inner))
        return [inner]
      }),
    'ARCHIVE_INVALID',
    /more than 1000 manifests/,
  ],
]

function replaced(from: string, to: string): Buffer {
  const bytes = Buffer.from(layout((builder) => [builder.image([layer])]))
  const at = bytes.indexOf(from)
  expect(at).toBeGreaterThan(0)
  bytes.write(to, at)
  return bytes
}

describe('a tar that is bad as OCI layout is refused:', () => testRefusals(folder, LAYOUT_CASES))
