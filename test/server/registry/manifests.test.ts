import { expect, test } from 'vitest'
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
} from '../../../src/oci/media-types.ts'
import { linkBlob } from '../../../src/server/content/links.ts'
import {
  apiKey,
  basic,
  Client,
  descriptor,
  imageManifest,
  serve,
  sha256,
  sha512,
  testContext,
} from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  return { ctx, client }
}

const CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
const DEEP = '['.repeat(500_000) + ']'.repeat(500_000)
const TYPED = { headers: { 'content-type': OCI_MANIFEST } }

function put(
  client: Client,
  reference: string,
  manifest: object | string,
  status: number,
  type = OCI_MANIFEST,
) {
  const body = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
  return client.call('PUT', `/v2/acme/app/manifests/${reference}`, status, {
    body,
    headers: { 'content-type': type },
  })
}

async function codes(response: Promise<Response>): Promise<string[]> {
  const { errors } = (await (await response).json()) as { errors: { code: string }[] }
  return errors.map(({ code }) => code)
}

test('a manifest whose blobs are not here is refused, with every missing digest', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const response = await put(client, '1.0', imageManifest(CONFIG, ['a', 'b']), 400)
  const { errors } = (await response.json()) as { errors: { code: string; detail: { digest: string } }[] }
  expect(errors.map(({ code }) => code)).toEqual(['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN'])
  expect(errors.map(({ detail }) => detail.digest)).toEqual([sha256('a'), sha256('b')])
  await client.call('GET', '/v2/acme/app/manifests/1.0', 404)
})

test('a blob of another repository does not count', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/other', 'layer')
  await client.pushBlob('acme/app', CONFIG)
  expect(await codes(put(client, '1.0', imageManifest(CONFIG, ['layer']), 400))).toEqual([
    'MANIFEST_BLOB_UNKNOWN',
  ])
})

test.each<[string, string | object, string]>([
  ['no JSON', 'nonsense', OCI_MANIFEST],
  ['an empty body', '', OCI_MANIFEST],
  ['schema 1', { schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+json'],
  ['no config', { schemaVersion: 2, layers: [] }, OCI_MANIFEST],
  ['another type than it says', imageManifest(CONFIG, []), DOCKER_MANIFEST],
  ['an unknown type', { schemaVersion: 2, mediaType: 'text/plain' }, 'text/plain'],
  [
    'a negative size',
    imageManifest(CONFIG, [], { config: { ...descriptor(OCI_CONFIG, ''), size: -1 } }),
    OCI_MANIFEST,
  ],
  ['an annotation that is no text', imageManifest(CONFIG, [], { annotations: { a: 1 } }), OCI_MANIFEST],
  [
    'an annotation nested deeper than any stack',
    JSON.stringify(imageManifest(CONFIG, [], { annotations: { a: 'DEEP' } })).replace('"DEEP"', DEEP),
    OCI_MANIFEST,
  ],
])('%s is MANIFEST_INVALID', async (_, manifest, type) => {
  const { ctx, client } = await setup()
  expect(await codes(put(client, '1.0', manifest, 400, type))).toEqual(['MANIFEST_INVALID'])
  expect(await ctx.db.selectFrom('manifests').selectAll().execute()).toEqual([])
})

test('a manifest over 4 MiB is 413, one of almost 4 MiB is stored', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const large = (length: number) => imageManifest(CONFIG, [], { annotations: { a: 'x'.repeat(length) } })
  const refused = put(client, '1.0', large(4 * 1024 * 1024), 413)
  expect(await codes(refused)).toEqual(['SIZE_INVALID'])
  await put(client, '1.0', large(4 * 1024 * 1024 - 1000), 201)
})

test('a manifest with thousands of layers', async () => {
  const { ctx, client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const layers = Array.from({ length: 2500 }, (_, i) => descriptor(OCI_LAYER_GZIP, String(i)))
  const refused = await codes(put(client, '1.0', imageManifest(CONFIG, [], { layers }), 400))
  expect(refused).toHaveLength(2500)
  await ctx.db.transaction().execute(async (trx) => {
    for (const { digest, size } of layers)
      await linkBlob(trx, { digest, size, repositoryId: 1, now: ctx.now() })
  })
  await client.pushManifest('acme/app', '1.0', imageManifest(CONFIG, [], { layers }))
  const rows = await ctx.db.selectFrom('manifest_references').select('digest').execute()
  expect(rows).toHaveLength(2501)
})

test('a digest that is not that of the bytes, and one that is none', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const manifest = imageManifest(CONFIG, [])
  expect(await codes(put(client, sha256('x'), manifest, 400))).toEqual(['DIGEST_INVALID'])
  expect(await codes(put(client, 'sha256:baddigest', manifest, 400))).toEqual(['DIGEST_INVALID'])
  expect(await codes(put(client, '-tag', manifest, 400))).toEqual(['MANIFEST_INVALID'])
})

test('docker schema 2: manifest and list', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  await client.pushBlob('acme/app', 'layer')
  const manifest = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: descriptor(DOCKER_CONFIG, CONFIG),
    layers: [descriptor(DOCKER_LAYER_GZIP, 'layer')],
  }
  const digest = await client.pushManifest('acme/app', 'amd64', manifest)
  const list = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST_LIST,
    manifests: [
      {
        mediaType: DOCKER_MANIFEST,
        digest,
        size: JSON.stringify(manifest).length,
        platform: { os: 'linux', architecture: 'amd64' },
      },
    ],
  }
  await client.pushManifest('acme/app', 'list', list)
  const got = await client.call('GET', '/v2/acme/app/manifests/list', 200)
  expect(got.headers.get('content-type')).toBe(DOCKER_MANIFEST_LIST)
  // A client that knows no lists gets the manifest of the server's platform.
  const single = await client.call('GET', '/v2/acme/app/manifests/list', 200, {
    headers: { accept: DOCKER_MANIFEST },
  })
  expect(single.headers.get('docker-content-digest')).toBe(digest)
})

test('an index needs its manifests; attestations, nested indexes and build caches are fine', async () => {
  const { client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0')
  const entry = { mediaType: OCI_MANIFEST, digest, size: JSON.stringify(manifest).length }
  const index = (manifests: object[]) => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
  const missing = index([{ ...entry, digest: sha256('missing') }])
  expect(await codes(put(client, 'index', missing, 400, OCI_INDEX))).toEqual(['MANIFEST_BLOB_UNKNOWN'])
  const attested = index([entry, { ...entry, platform: { os: 'unknown', architecture: 'unknown' } }])
  const inner = await client.pushManifest('acme/app', 'index', attested)
  await client.pushManifest(
    'acme/app',
    'outer',
    index([{ mediaType: OCI_INDEX, digest: inner, size: JSON.stringify(attested).length }]),
  )
  await client.pushBlob('acme/app', 'cached')
  await client.pushManifest('acme/app', 'cache', index([descriptor(OCI_LAYER_GZIP, 'cached')]))
  await client.pushManifest('acme/app', 'empty', index([]))
})

test('layers that live elsewhere need not be pushed', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const foreign = [
    { ...descriptor(OCI_LAYER_GZIP, 'a'), urls: ['https://example.com/a'] },
    descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'b'),
    descriptor('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'c'),
  ]
  await client.pushManifest('acme/app', '1.0', imageManifest(CONFIG, [], { layers: foreign }))
})

test('a tag moves, and both manifests stay', async () => {
  const { client } = await setup()
  const first = await client.pushImage('acme/app', '1.0', 'one')
  const second = await client.pushImage('acme/app', '1.0', 'two')
  const got = await client.call('HEAD', '/v2/acme/app/manifests/1.0', 200)
  expect(got.headers.get('docker-content-digest')).toBe(second.digest)
  await client.call('HEAD', `/v2/acme/app/manifests/${first.digest}`, 200)
})

test('by digest with tags, also sha512', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', CONFIG)
  const body = JSON.stringify(imageManifest(CONFIG, []))
  const digest = sha512(body)
  const path = `/v2/acme/app/manifests/${digest}?tag=1.0&tag=1.1`
  const stored = await client.call('PUT', path, 201, { body, ...TYPED })
  expect(stored.headers.get('oci-tag')).toBe('1.0, 1.1')
  expect(stored.headers.get('docker-content-digest')).toBe(digest)
  const got = await client.call('GET', '/v2/acme/app/manifests/1.1', 200)
  expect(got.headers.get('docker-content-digest')).toBe(digest)
  const bad = `/v2/acme/app/manifests/${digest}?tag=1.0&tag=..`
  expect(await client.refused('PUT', bad, 400, { body, ...TYPED })).toBe('MANIFEST_INVALID')
})

test('a subject may be absent, and is named in the answer', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', '{}')
  const subject = { mediaType: OCI_MANIFEST, digest: sha256('later'), size: 5 }
  const artifact = { ...imageManifest('{}', []), config: descriptor(OCI_EMPTY, '{}'), subject }
  const stored = await put(client, sha256(JSON.stringify(artifact)), artifact, 201)
  expect(stored.headers.get('oci-subject')).toBe(subject.digest)
})

test('a known manifest is not sent again', async () => {
  const { client } = await setup()
  const { digest } = await client.pushImage('acme/app', '1.0')
  const headers = { 'if-none-match': `"${digest}"` }
  await client.call('GET', '/v2/acme/app/manifests/1.0', 304, { headers })
})

test('a tag push makes an image; latest and staging tags do not', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/team/app', '1.0')
  await client.pushManifest('acme/team/app', 'latest', manifest)
  await client.pushManifest('acme/team/app', '_imgctl-abc', manifest)
  const images = await ctx.db.selectFrom('images').select(['name', 'digest', 'createdBy']).execute()
  expect(images).toEqual([{ name: 'team/app:1.0', digest, createdBy: 'acme-user' }])
  const tags = await client.call('GET', '/v2/acme/team/app/tags/list', 200)
  expect(await tags.json()).toEqual({ name: 'acme/team/app', tags: ['1.0', 'latest'] })
  await client.call('GET', '/v2/acme/team/app/manifests/_imgctl-abc', 200)
})

test('an image over the quota is refused, and its tag is not moved', async () => {
  const { ctx, client } = await setup()
  await ctx.db.updateTable('organizations').set({ imageQuota: 1 }).where('slug', '=', 'acme').execute()
  const { manifest } = await client.pushImage('acme/app', '1.0')
  expect(await codes(put(client, '2.0', manifest, 403))).toEqual(['DENIED'])
  await client.call('GET', '/v2/acme/app/manifests/2.0', 404)
})

test("a new tag of an artifact is a tag and no image; an image's tag that is moved to one stays an image", async () => {
  const { ctx, client } = await setup()
  const images = () => ctx.db.selectFrom('images').select(['name', 'digest']).orderBy('name').execute()
  await client.pushImage('acme/app', '1.0')
  await client.pushBlob('acme/app', '{}')
  const artifact = { ...imageManifest('{}', []), config: descriptor(OCI_EMPTY, '{}') }
  const digest = await client.pushManifest('acme/app', 'chart', artifact)
  expect((await images()).map(({ name }) => name)).toEqual(['app:1.0'])
  await client.call('GET', '/v2/acme/app/manifests/chart', 200)
  await client.pushManifest('acme/app', '1.0', artifact)
  expect(await images()).toEqual([{ name: 'app:1.0', digest }])
})
