import { expect, test } from 'vitest'
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import {
  apiKey,
  basic,
  Client,
  descriptor,
  imageManifest,
  serve,
  sha256,
  testContext,
} from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  return { ctx, server, client }
}

/** The items of every page, following the links. */
async function pages(client: Client, path: string, items: string): Promise<string[][]> {
  const found: string[][] = []
  for (let next: string | undefined = path; next; ) {
    const response = await client.call('GET', next, 200)
    found.push(((await response.json()) as Record<string, string[]>)[items] ?? [])
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return found
}

async function pushTags(client: Client, tags: string[]): Promise<void> {
  const [first, ...rest] = tags
  const { manifest } = await client.pushImage('acme/app', first!)
  for (const tag of rest) await client.pushManifest('acme/app', tag, manifest)
}

test('tags in ASCII order, in pages', async () => {
  const { client } = await setup()
  await pushTags(client, ['b', 'a', 'Z', '10', '9', '_x'])
  const path = '/v2/acme/app/tags/list'
  expect(await pages(client, path, 'tags')).toEqual([['10', '9', 'Z', '_x', 'a', 'b']])
  expect(await pages(client, `${path}?n=4`, 'tags')).toEqual([
    ['10', '9', 'Z', '_x'],
    ['a', 'b'],
  ])
  expect(await pages(client, `${path}?n=2&last=9`, 'tags')).toEqual([
    ['Z', '_x'],
    ['a', 'b'],
  ])
  expect(await pages(client, `${path}?last=a`, 'tags')).toEqual([['b']])
  expect(await pages(client, `${path}?n=0`, 'tags')).toEqual([[]])
  expect(await pages(client, `${path}?last=zz`, 'tags')).toEqual([[]])
  expect(await pages(client, `${path}?n=6`, 'tags')).toHaveLength(1)
})

test.each(['-1', 'x', '1.5', ''])('n=%j is refused', async (n) => {
  const { client } = await setup()
  await client.pushImage('acme/app', '1.0')
  expect(await client.refused('GET', `/v2/acme/app/tags/list?n=${n}`, 400)).toBe('UNSUPPORTED')
})

test('the tags of a repository that was never pushed to', async () => {
  const { client } = await setup()
  expect(await client.refused('GET', '/v2/acme/app/tags/list', 404)).toBe('NAME_UNKNOWN')
})

test('the catalog has what the caller may read', async () => {
  const { ctx, server, client } = await setup()
  for (const name of ['acme/b', 'acme/a/x', 'acme/c']) await client.pushImage(name, '1.0')
  await client.upload('acme/nothing')
  const stranger = new Client(server, basic(await apiKey(ctx, 'other')))
  await stranger.pushImage('other/app', '1.0')
  expect(await pages(client, '/v2/_catalog', 'repositories')).toEqual([['acme/a/x', 'acme/b', 'acme/c']])
  expect(await pages(client, '/v2/_catalog?n=2', 'repositories')).toEqual([
    ['acme/a/x', 'acme/b'],
    ['acme/c'],
  ])
  expect(await pages(stranger, '/v2/_catalog', 'repositories')).toEqual([['other/app']])
  const refused = await new Client(server).call('GET', '/v2/_catalog', 401)
  expect(refused.headers.get('www-authenticate')).toContain('scope="registry:catalog:*"')
  const writer = new Client(server, basic(await apiKey(ctx, 'acme', ['write:images'])))
  expect(await pages(writer, '/v2/_catalog', 'repositories')).toEqual([[]])
})

interface Referrers {
  mediaType: string
  manifests: { digest: string; artifactType?: string; annotations?: Record<string, string>; size: number }[]
}

test('referrers with their type and annotations, filtered, also before the subject is there', async () => {
  const { client } = await setup()
  const subject = { mediaType: OCI_MANIFEST, digest: sha256('later'), size: 5 }
  await client.pushBlob('acme/app', '{}')
  const typed = (artifactType: string) => ({
    ...imageManifest('{}', []),
    config: descriptor(OCI_EMPTY, '{}'),
    artifactType,
    subject,
    annotations: { made: artifactType },
  })
  const push = (manifest: object) =>
    client.pushManifest('acme/app', sha256(JSON.stringify(manifest)), manifest)
  const sbom = await push(typed('application/sbom'))
  await push(typed('application/signature'))
  const untyped = await push({
    ...imageManifest('{}', []),
    config: descriptor('application/x.config', '{}'),
    subject,
  })
  const index = await push({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject })

  const path = `/v2/acme/app/referrers/${subject.digest}`
  const response = await client.call('GET', path, 200)
  expect(response.headers.get('content-type')).toBe(OCI_INDEX)
  expect(response.headers.get('oci-filters-applied')).toBeNull()
  const all = (await response.json()) as Referrers
  expect(all.manifests).toHaveLength(4)
  const found = (digest: string) => all.manifests.find((entry) => entry.digest === digest)
  expect(found(sbom)).toMatchObject({
    artifactType: 'application/sbom',
    annotations: { made: 'application/sbom' },
    size: JSON.stringify(typed('application/sbom')).length,
  })
  expect(found(untyped)?.artifactType).toBe('application/x.config')
  expect(found(index)).not.toHaveProperty('artifactType')

  const filtered = await client.call('GET', `${path}?artifactType=application/sbom`, 200)
  expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType')
  const some = (await filtered.json()) as Referrers
  expect(some.manifests.map(({ digest }) => digest)).toEqual([sbom])
})

test('no referrers are an empty index, also of a repository that was never pushed to; no digest is 400', async () => {
  const { client } = await setup()
  const empty = await client.call('GET', `/v2/acme/app/referrers/${sha256('x')}`, 200)
  expect(await empty.json()).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
  expect(await client.refused('GET', '/v2/acme/app/referrers/1.0', 400)).toBe('DIGEST_INVALID')
})
