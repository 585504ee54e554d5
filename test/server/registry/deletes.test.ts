import { expect, test } from 'vitest'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { apiKey, basic, Client, serve, sha256, testContext } from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  const imageNames = async () =>
    (await ctx.db.selectFrom('images').select('name').orderBy('name').execute()).map(({ name }) => name)
  return { ctx, client, imageNames }
}

test('deleting a tag deletes its image and leaves the manifest and the other tags', async () => {
  const { client, imageNames } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0')
  await client.pushManifest('acme/app', '1.1', manifest)
  await client.call('DELETE', '/v2/acme/app/manifests/1.0', 202)
  await client.call('GET', '/v2/acme/app/manifests/1.0', 404)
  await client.call('GET', '/v2/acme/app/manifests/1.1', 200)
  await client.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
  expect(await imageNames()).toEqual(['app:1.1'])
  expect(await client.refused('DELETE', '/v2/acme/app/manifests/1.0', 404)).toBe('MANIFEST_UNKNOWN')
})

test('deleting a manifest deletes its tags and their images', async () => {
  const { client, imageNames } = await setup()
  const { digest, manifest, layer } = await client.pushImage('acme/app', '1.0')
  for (const tag of ['1.1', 'latest', '_imgctl-x']) await client.pushManifest('acme/app', tag, manifest)
  await client.pushImage('acme/app', '2.0', 'other')
  await client.call('DELETE', `/v2/acme/app/manifests/${digest}`, 202)
  const tags = await client.call('GET', '/v2/acme/app/tags/list', 200)
  expect(await tags.json()).toMatchObject({ tags: ['2.0'] })
  expect(await imageNames()).toEqual(['app:2.0'])
  for (const reference of [digest, '1.1', '_imgctl-x']) {
    expect(await client.refused('DELETE', `/v2/acme/app/manifests/${reference}`, 404)).toBe(
      'MANIFEST_UNKNOWN',
    )
  }
  // A push of something like it may be under way: its blobs stay for the grace time.
  await client.call('HEAD', `/v2/acme/app/blobs/${layer}`, 200)
})

test('whoever may push may take a staging tag away, and no other tag', async () => {
  const { ctx, client } = await setup()
  const { manifest } = await client.pushImage('acme/app', '1.0')
  await client.pushManifest('acme/app', '_imgctl-x', manifest)
  await ctx.db.updateTable('api_keys').set({ permissionsJson: '["read:images","write:images"]' }).execute()
  await client.call('DELETE', '/v2/acme/app/manifests/_imgctl-x', 202)
  expect(await client.refused('DELETE', '/v2/acme/app/manifests/1.0', 403)).toBe('DENIED')
})

test('a manifest that an index lists is not deleted', async () => {
  const { client, imageNames } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', 'part')
  const entry = { mediaType: OCI_MANIFEST, digest, size: JSON.stringify(manifest).length }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] }
  const outer = await client.pushManifest('acme/app', '1.0', index)
  expect(await client.refused('DELETE', `/v2/acme/app/manifests/${digest}`, 409)).toBe('DENIED')
  expect(await imageNames()).toEqual(['app:1.0', 'app:part'])
  await client.call('DELETE', `/v2/acme/app/manifests/${outer}`, 202)
  await client.call('DELETE', `/v2/acme/app/manifests/${digest}`, 202)
  expect(await imageNames()).toEqual([])
})

test('a general image is not deleted through the registry', async () => {
  const { ctx, client } = await setup()
  const { digest } = await client.pushImage('acme/app', '1.0')
  await ctx.db.updateTable('images').set({ general: 1 }).execute()
  for (const reference of ['1.0', digest]) {
    expect(await client.refused('DELETE', `/v2/acme/app/manifests/${reference}`, 403)).toBe('DENIED')
    await client.call('GET', `/v2/acme/app/manifests/${reference}`, 200)
  }
})

test('what was never there', async () => {
  const { client } = await setup()
  for (const path of ['manifests/1.0', `manifests/${sha256('x')}`]) {
    expect(await client.refused('DELETE', `/v2/acme/app/${path}`, 404)).toBe('MANIFEST_UNKNOWN')
  }
  expect(await client.refused('DELETE', `/v2/acme/app/blobs/${sha256('x')}`, 404)).toBe('BLOB_UNKNOWN')
})
