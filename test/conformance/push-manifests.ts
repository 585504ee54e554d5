import { expect } from 'vitest'
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from '../../src/oci/media-types.ts'
import { codesOf, descriptorOf, digestOf, locationOf, type Registry } from './registry.ts'
import { section } from './rules.ts'

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(', ')
const ABSENT = { mediaType: OCI_MANIFEST, digest: `sha256:${'a'.repeat(64)}`, size: 100 }
const NO_SHA512 = 'it keeps manifests under their sha256 digest only'
;('it refuses a config that it does not know the type of, as written before the specification 1.1')

/** Pushes a document and reads it back, by the digest of its bytes. */
async function assertStored(r: Registry, document: object | string, mediaType: string): Promise<void> {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  const answer = await r.putManifest(digestOf(text), text, { mediaType })
  expect(answer.status, answer.bytes.toString('utf8', 0, 300)).toBe(201)
  const path = r.at(`manifests/${digestOf(text)}`)
  const { bytes } = await r.expect(200, 'GET', path, { headers: { accept: ACCEPT } })
  expect(bytes.toString()).toBe(text)
}

const index = (manifests: readonly object[], more: object = {}) => ({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests,
  ...more,
})

/** A manifest of `bytes` bytes, whose blobs are there. */
async function manifestOfSize(r: Registry, bytes: number): Promise<string> {
  const { manifest } = await r.makeImage({ annotations: { padding: '' } })
  const padding = 'x'.repeat(bytes - JSON.stringify(manifest).length)
  return JSON.stringify({ ...manifest, annotations: { padding } })
}

export const PUSH_MANIFESTS = [
  ...section('Pushing Manifests', [
    [
      'MUST',
      'PUT by tag and by digest answers 201 with a Location that the manifest can be pulled from',
      async (r) => {
        const { text, digest } = await r.makeImage()
        for (const reference of ['1.0', digest]) {
          const answer = await r.putManifest(reference, text)
          expect(answer.status).toBe(201)
          expect(answer.headers.get('docker-content-digest')).toBe(digest)
          const pulled = await r.expect(200, 'GET', locationOf(answer), { headers: { accept: ACCEPT } })
          expect(pulled.bytes.toString()).toBe(text)
        }
      },
    ],
    [
      'MUST',
      'bytes are kept as they came: spaces, order, fields that nobody knows, at every level',
      async (r) => {
        const { manifest } = await r.makeImage()
        const { config, layers, ...rest } = manifest
        const custom = {
          'org.example.first': [1.0, null, { deep: '\u00e9\u2028' }],
          layers: layers.map((layer) => ({ 'x-custom': true, ...layer })),
          config: { ...config, data: Buffer.from('not the config').toString('base64') },
          ...rest,
        }
        await assertStored(r, `\n${JSON.stringify(custom, undefined, '\t')}\n `, OCI_MANIFEST)
      },
    ],
    [
      'MUST',
      'a digest that is not that of the manifest is refused',
      async (r) => {
        const { text } = await r.makeImage()
        const answer = await r.putManifest(digestOf('other'), text)
        expect([answer.status, codesOf(answer)]).toEqual([400, ['DIGEST_INVALID']])
        await r.expect(404, 'GET', r.at(`manifests/${digestOf('other')}`))
      },
    ],
    [
      'SHOULD',
      'parameters of Content-Type are ignored',
      async (r) => {
        const { text } = await r.makeImage()
        const answer = await r.putManifest('1.0', text, { mediaType: `${OCI_MANIFEST}; charset=utf-8` })
        expect(answer.status).toBe(201)
        const { headers } = await r.expect(200, 'GET', r.at('manifests/1.0'), { headers: { accept: ACCEPT } })
        expect(headers.get('content-type')).toBe(OCI_MANIFEST)
      },
    ],
    [
      'SHOULD',
      'ten tags with one manifest, each named in OCI-Tag',
      async (r) => {
        const { text, digest } = await r.makeImage()
        const tags = Array.from({ length: 10 }, (_, i) => `t${i}`)
        const answer = await r.putManifest(digest, text, { query: `?tag=${tags.join('&tag=')}` })
        expect(answer.status).toBe(201)
        expect(answer.headers.get('oci-tag')?.split(/,\s*/)).toEqual(tags)
        expect((await r.tags()).tags).toEqual(tags)
      },
      'it does not know the parameter',
    ],
    [
      'MAY',
      'more tags than it takes are 414, and none of them is made',
      async (r) => {
        const { text, digest } = await r.makeImage()
        const tags = Array.from({ length: 500 }, (_, i) => `t${i}`)
        const answer = await r.putManifest(digest, text, { query: `?tag=${tags.join('&tag=')}` })
        expect(answer.status).toBe(414)
        await r.expect(404, 'GET', r.at('manifests/t0'))
      },
      'it does not know the parameter',
    ],
    [
      'SHOULD',
      'a manifest of 4 MB, and of 4 MiB, is taken',
      async (r) => {
        for (const size of [4_000_000, 4 * 1024 * 1024]) {
          const text = await manifestOfSize(r, size)
          expect((await r.putManifest(`s${size}`, text)).status).toBe(201)
          const path = r.at(`manifests/s${size}`)
          const { bytes } = await r.expect(200, 'GET', path, { headers: { accept: ACCEPT } })
          expect(bytes).toHaveLength(size)
        }
      },
    ],
    [
      'SHOULD',
      'a manifest over the limit is 413',
      async (r) => {
        const text = await manifestOfSize(r, 4 * 1024 * 1024 + 1)
        expect((await r.putManifest('1.0', text)).status).toBe(413)
        await r.expect(404, 'GET', r.at('manifests/1.0'))
      },
      'it answers 400',
    ],
    [
      'MAY',
      'the list of layers may be empty',
      async (r) => {
        const { manifest } = await r.makeImage()
        await assertStored(r, { ...manifest, layers: [] }, OCI_MANIFEST)
      },
    ],
    [
      'MUST',
      'an index of an index',
      async (r) => {
        const { descriptor } = await r.pushImage()
        const inner = JSON.stringify(index([descriptor]))
        await assertStored(r, inner, OCI_INDEX)
        await assertStored(r, index([descriptorOf(OCI_INDEX, inner), descriptor]), OCI_INDEX)
      },
    ],
    ['MUST', 'an index of nothing', (r) => assertStored(r, index([]), OCI_INDEX)],
    [
      'MUST',
      'layers that must not be distributed need not be there',
      async (r) => {
        const { manifest } = await r.makeImage()
        const mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
        const foreign = { ...ABSENT, mediaType, urls: ['https://example.test/layer'] }
        await assertStored(r, { ...manifest, layers: [...manifest.layers, foreign] }, OCI_MANIFEST)
      },
      'it wants such layers of OCI images to be there, or an address on its list',
    ],
    [
      'MUST',
      'an artifact: artifactType, an empty config, layers of any type',
      async (r) => {
        await r.pushBlob('{}')
        await r.pushBlob('text')
        const config = { ...descriptorOf(OCI_EMPTY, '{}'), data: 'e30=' }
        const layers = [descriptorOf('text/plain', 'text')]
        const artifactType = 'application/vnd.example.thing'
        await assertStored(
          r,
          { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config, layers },
          OCI_MANIFEST,
        )
      },
    ],
    [
      'MUST',
      "an image and a list in docker's own types",
      async (r) => {
        const { layer, config } = await r.makeImage()
        const image = JSON.stringify({
          schemaVersion: 2,
          mediaType: DOCKER_MANIFEST,
          config: descriptorOf(DOCKER_CONFIG, config),
          layers: [descriptorOf(DOCKER_LAYER_GZIP, layer)],
        })
        await assertStored(r, image, DOCKER_MANIFEST)
        const platform = { os: 'linux', architecture: 'amd64' }
        const manifests = [{ ...descriptorOf(DOCKER_MANIFEST, image), platform }]
        await assertStored(
          r,
          { schemaVersion: 2, mediaType: DOCKER_MANIFEST_LIST, manifests },
          DOCKER_MANIFEST_LIST,
        )
      },
    ],
    [
      'MAY',
      'a manifest without mediaType has the type that it is sent with',
      async (r) => {
        const { manifest } = await r.makeImage()
        const { mediaType: _, ...untyped } = manifest
        await assertStored(r, untyped, OCI_MANIFEST)
      },
    ],
    [
      'MUST',
      'a manifest by its sha512 digest, of blobs by theirs',
      async (r) => {
        const [layer, config] = ['layer', '{"architecture":"amd64","os":"linux"}']
        for (const bytes of [layer, config]) await r.pushBlob(bytes, { algorithm: 'sha512' })
        const text = JSON.stringify({
          schemaVersion: 2,
          mediaType: OCI_MANIFEST,
          config: descriptorOf(OCI_CONFIG, config, 'sha512'),
          layers: [descriptorOf(OCI_LAYER_GZIP, layer, 'sha512')],
        })
        const digest = digestOf(text, 'sha512')
        const answer = await r.putManifest(digest, text)
        expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([201, digest])
        const pulled = await r.expect(200, 'GET', r.at(`manifests/${digest}`), {
          headers: { accept: ACCEPT },
        })
        expect(pulled.bytes.toString()).toBe(text)
        expect(pulled.headers.get('docker-content-digest')).toBe(digest)
      },
      NO_SHA512,
    ],
    [
      'MUST',
      'what is no manifest is refused with MANIFEST_INVALID',
      async (r) => {
        await r.pushBlob('a')
        for (const text of ['', '{', '[]', '{"schemaVersion":2}', '{"schemaVersion":1}']) {
          const answer = await r.putManifest('1.0', text)
          expect([text, answer.status, codesOf(answer)]).toEqual([text, 400, ['MANIFEST_INVALID']])
        }
      },
      'it calls a document without config and layers MANIFEST_UNVERIFIED or takes it',
    ],
    [
      'MUST',
      'a tag moves to what is pushed last, and what it was before can be pulled by digest',
      async (r) => {
        const before = await r.pushImage('1.0')
        const after = await r.pushImage('1.0')
        const headers = { accept: ACCEPT }
        const tagged = await r.expect(200, 'GET', r.at('manifests/1.0'), { headers })
        expect(tagged.headers.get('docker-content-digest')).toBe(after.digest)
        await r.expect(200, 'GET', r.at(`manifests/${before.digest}`), { headers })
      },
    ],
  ]),
]
