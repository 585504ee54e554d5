import { describe, expect, test } from 'vitest'
import { digestBytes, isDigest, parseDigest, shortDigest } from '../../src/oci/digest.ts'
import { parseImageConfig } from '../../src/oci/image-config.ts'
import { indexPlatforms, isImage, parseManifest, pickPlatform } from '../../src/oci/manifest.ts'
import * as types from '../../src/oci/media-types.ts'
import { formatPlatform, LINUX_AMD64, matchesPlatform, parsePlatform } from '../../src/oci/platform.ts'

const DIGEST = digestBytes(Buffer.from('x'))
const CONFIG = { mediaType: types.OCI_CONFIG, digest: DIGEST, size: 1 }
const LAYER = { mediaType: types.OCI_LAYER_GZIP, digest: DIGEST, size: 2 }
const MANIFEST = { schemaVersion: 2, mediaType: types.OCI_MANIFEST, config: CONFIG, layers: [LAYER] }
const entry = (architecture: string, more = {}) => ({
  mediaType: types.OCI_MANIFEST,
  digest: digestBytes(Buffer.from(architecture + JSON.stringify(more))),
  size: 3,
  platform: { os: architecture === 'unknown' ? 'unknown' : 'linux', architecture },
  ...more,
})
const INDEX = {
  schemaVersion: 2,
  mediaType: types.OCI_INDEX,
  manifests: [
    entry('unknown'),
    entry('arm64'),
    entry('amd64', { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
    entry('amd64'),
  ],
}

test.each<[string, boolean, unknown]>([
  ['an image', true, MANIFEST],
  ['an image of docker', true, { ...MANIFEST, config: { ...CONFIG, mediaType: types.DOCKER_CONFIG } }],
  ['an artifact', false, { ...MANIFEST, config: { ...CONFIG, mediaType: types.OCI_EMPTY } }],
  [
    'a build cache',
    false,
    { ...MANIFEST, config: { ...CONFIG, mediaType: 'application/vnd.buildkit.cacheconfig.v0' } },
  ],
  ['an index of images', true, INDEX],
  ['an index of blobs', false, { ...INDEX, manifests: [LAYER, CONFIG] }],
  ['an empty index', true, { ...INDEX, manifests: [] }],
])('%s is an image: %s', (_title, expected, document) => {
  expect(isImage(parseManifest(json(document)))).toBe(expected)
})

describe('a manifest', () => {
  test('is read, OCI and docker alike', () => {
    expect(parseManifest(json(MANIFEST))).toMatchObject({ kind: 'manifest', config: CONFIG, layers: [LAYER] })
    const docker = { ...MANIFEST, mediaType: types.DOCKER_MANIFEST }
    expect(parseManifest(json(docker), types.DOCKER_MANIFEST)).toMatchObject({ kind: 'manifest' })
  })

  test('without a mediaType of its own is what it was sent as', () => {
    const { mediaType: _, ...bare } = MANIFEST
    expect(parseManifest(json(bare), types.OCI_MANIFEST).mediaType).toBe(types.OCI_MANIFEST)
  })

  test.each([
    ['no JSON', Buffer.from('<html>')],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x7b])],
    ['a list', json([])],
    ['null', json(null)],
    ['schema 1', json({ ...MANIFEST, schemaVersion: 1 })],
    ['no config', json({ ...MANIFEST, config: undefined })],
    ['no layers', json({ ...MANIFEST, layers: undefined })],
    ['layers that are no list', json({ ...MANIFEST, layers: {} })],
    ['a negative size', json({ ...MANIFEST, layers: [{ ...LAYER, size: -1 }] })],
    ['a size that is text', json({ ...MANIFEST, layers: [{ ...LAYER, size: '1' }] })],
    ['a size beyond integers', json({ ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] })],
    [
      'a digest with a path',
      json({ ...MANIFEST, layers: [{ ...LAYER, digest: 'sha256:../../etc/passwd' }] }),
    ],
    ['an annotation that is a number', json({ ...MANIFEST, annotations: { a: 'text', b: 1 } })],
    ['an annotation that is null', json({ ...MANIFEST, annotations: { a: null } })],
    ['annotations that are a list', json({ ...MANIFEST, annotations: ['a'] })],
    [
      'an annotation of a layer that is a list',
      json({ ...MANIFEST, layers: [{ ...LAYER, annotations: { a: [] } }] }),
    ],
    [
      'an annotation of an entry that is an object',
      json({ ...INDEX, manifests: [entry('amd64', { annotations: { a: {} } })] }),
    ],
    ['an annotation nested deeply', nested({ ...MANIFEST, annotations: { a: 'DEEP' } })],
    ['a mediaType nested deeply', nested({ ...MANIFEST, mediaType: 'DEEP', layers: 'DEEP' })],
    ['an index that has layers', json({ ...INDEX, layers: [] })],
    ['a manifest that has manifests', json({ ...MANIFEST, manifests: [] })],
    ['an unknown media type', json({ ...MANIFEST, mediaType: 'text/plain' })],
    ['too many layers', json({ ...MANIFEST, layers: Array.from({ length: 10_001 }, () => LAYER) })],
  ])('with %s is refused', (_, bytes) => {
    expect(() => parseManifest(bytes)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }))
  })

  test('that contradicts its media type is refused', () => {
    expect(() => parseManifest(json(MANIFEST), types.OCI_INDEX)).toThrow(/calls itself/)
  })
})

describe('an index', () => {
  test('offers its images, attestations left out', () => {
    const index = parseManifest(json(INDEX))
    if (index.kind !== 'index') throw new Error('not an index')
    expect(indexPlatforms(index)).toEqual(['linux/arm64', 'linux/amd64'])
    expect(pickPlatform(index, LINUX_AMD64)?.digest).toBe(INDEX.manifests[3]!.digest)
    expect(pickPlatform(index, { os: 'windows', architecture: 'amd64' })).toBeUndefined()
  })

  test('does not offer what has a platform that is no text', () => {
    const platform = { os: 'linux', architecture: 'arm', variant: 'DEEP' }
    const index = parseManifest(nested({ ...INDEX, manifests: [entry('arm', { platform }), entry('amd64')] }))
    if (index.kind !== 'index') throw new Error('not an index')
    expect(indexPlatforms(index)).toEqual(['linux/amd64'])
  })

  test('may have null for annotations, as Go writes an empty map', () => {
    expect(parseManifest(json({ ...INDEX, annotations: null }))).not.toHaveProperty('annotations')
  })
})

describe('an image config', () => {
  test('says what runs where', () => {
    const config = parseImageConfig(
      json({
        os: 'linux',
        architecture: 'x86_64',
        created: '2026-01-01T00:00:00Z',
        config: { Entrypoint: ['/app'], Cmd: null, Labels: { a: 'b', c: 1 } },
        rootfs: { type: 'layers', diff_ids: [DIGEST] },
        history: [{ created_by: 'COPY app', empty_layer: false }, { empty_layer: true }],
      }),
    )
    expect(config).toMatchObject({
      platform: LINUX_AMD64,
      diffIDs: [DIGEST],
      entrypoint: ['/app'],
      cmd: [],
      labels: { a: 'b' },
      history: [{ createdBy: 'COPY app', emptyLayer: false }, { emptyLayer: true }],
    })
  })

  test.each([
    ['no JSON', Buffer.from('{')],
    ['null', json(null)],
    ['no architecture', json({ os: 'linux', rootfs: { diff_ids: [] } })],
    ['no rootfs', json({ os: 'linux', architecture: 'amd64' })],
    ['a diffID that is none', json({ os: 'linux', architecture: 'amd64', rootfs: { diff_ids: ['x'] } })],
  ])('with %s is refused', (_, bytes) => {
    expect(() => parseImageConfig(bytes)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }))
  })
})

test.each([
  ['linux/amd64', 'linux/amd64', true],
  ['linux/arm64', 'linux/amd64', false],
  ['linux/arm64/v8', 'linux/arm64', true],
  ['linux/arm/v7', 'linux/arm', true],
  ['linux/arm/v6', 'linux/arm/v7', false],
  ['linux/aarch64', 'linux/arm64', true],
  ['windows/amd64', 'linux/amd64', false],
])('%s runs where %s is needed: %s', (offered, wanted, expected) => {
  expect(matchesPlatform(parsePlatform(offered)!, parsePlatform(wanted)!)).toBe(expected)
})

test.each(['linux', '', 'linux/', '/amd64', 'linux/arm/', 'a/b/c/d'])('%j is no platform', (text) => {
  expect(parsePlatform(text)).toBeUndefined()
})

test('digests and platforms are printed as the field does', () => {
  expect(shortDigest(DIGEST)).toMatch(/^[0-9a-f]{12}$/)
  expect(isDigest(`sha512:${'a'.repeat(128)}`)).toBe(true)
  expect(() => parseDigest('sha1:abc', 'it')).toThrow(/it is not a sha256 or sha512 digest/)
  expect(formatPlatform({ os: 'linux', architecture: 'arm', variant: 'v7' })).toBe('linux/arm/v7')
})

/** JSON in which the text `DEEP` is a list in a list, deeper than any stack. */
function nested(value: unknown): Buffer {
  const depth = 500_000
  return Buffer.from(JSON.stringify(value).replaceAll('"DEEP"', '['.repeat(depth) + ']'.repeat(depth)))
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
