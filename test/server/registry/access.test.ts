import { expect, test } from 'vitest'
import { OCI_CONFIG, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { principalOfApiKey } from '../../../src/server/identity/principal.ts'
import { issuePushAccess, principalOfPushSecret } from '../../../src/server/identity/push-access.ts'
import {
  apiKey,
  basic,
  Client,
  descriptor,
  serve,
  type TestContext,
  testContext,
} from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const owner = new Client(server, basic(await apiKey(ctx, 'acme')))
  const stranger = new Client(server, basic(await apiKey(ctx, 'other')))
  return { ctx, server, owner, stranger, anonymous: new Client(server) }
}

async function makePublic(ctx: TestContext, name: string): Promise<void> {
  await ctx.db.updateTable('images').set({ visibility: 'public' }).where('name', '=', name).execute()
}

async function pushSecret(ctx: TestContext, key: string, repository?: string): Promise<string> {
  const principal = await principalOfApiKey(ctx, key)
  return (await issuePushAccess(ctx, principal!, repository, 'localhost')).secret
}

test('/v2/ asks for credentials and says where to get a token', async () => {
  const { server, owner, anonymous } = await setup()
  for (const path of ['/v2/', '/v2']) {
    const refused = await anonymous.call('GET', path, 401)
    expect(refused.headers.get('www-authenticate')).toBe(
      `Bearer realm="${server.url}/api/registry/token",service="imgctl"`,
    )
    expect(refused.headers.get('docker-distribution-api-version')).toBe('registry/2.0')
    await owner.call('GET', path, 200)
  }
})

test('an operation asks for the scope that it needs', async () => {
  const { anonymous } = await setup()
  for (const [method, path, scope] of [
    ['GET', 'manifests/1.0', 'pull'],
    ['POST', 'blobs/uploads/', 'pull,push'],
    ['DELETE', 'manifests/1.0', 'delete'],
  ]) {
    const refused = await anonymous.call(method!, `/v2/acme/app/${path}`, 401)
    expect(refused.headers.get('www-authenticate')).toContain(`scope="repository:acme/app:${scope}"`)
  }
})

test.each([
  'Basic !!!',
  'Basic bm8tY29sb24=',
  basic('img_wrong'),
  'Bearer nonsense',
  'Bearer',
  'Digest x',
  '',
])('the credentials %j are not valid', async (authorization) => {
  const { server } = await setup()
  const client = new Client(server, authorization || 'Basic')
  expect(await client.refused('GET', '/v2/', 401)).toBe('UNAUTHORIZED')
  expect(await client.refused('GET', '/v2/acme/app/tags/list', 401)).toBe('UNAUTHORIZED')
})

test('an API key also as Bearer', async () => {
  const { ctx, server } = await setup()
  const client = new Client(server, `Bearer ${await apiKey(ctx, 'acme')}`)
  await client.pushImage('acme/app', '1.0')
})

test('each permission allows its own operations', async () => {
  const { ctx, server, owner } = await setup()
  const { digest } = await owner.pushImage('acme/app', '1.0')
  const reader = new Client(server, basic(await apiKey(ctx, 'acme', ['read:images'])))
  await reader.call('GET', '/v2/acme/app/manifests/1.0', 200)
  expect(await reader.refused('POST', '/v2/acme/app/blobs/uploads/', 403)).toBe('DENIED')
  expect(await reader.refused('DELETE', `/v2/acme/app/manifests/${digest}`, 403)).toBe('DENIED')
  const writer = new Client(server, basic(await apiKey(ctx, 'acme', ['write:images'])))
  await writer.upload('acme/app')
  expect(await writer.refused('GET', '/v2/acme/app/manifests/1.0', 403)).toBe('DENIED')
  const deleter = new Client(server, basic(await apiKey(ctx, 'acme', ['delete:images'])))
  await deleter.call('DELETE', `/v2/acme/app/manifests/${digest}`, 202)
})

test("another organization's repositories look like those that do not exist", async () => {
  const { owner, stranger, anonymous } = await setup()
  const { digest, layer } = await owner.pushImage('acme/app', '1.0')
  const reads = ['manifests/1.0', `manifests/${digest}`, `blobs/${layer}`, 'tags/list', `referrers/${digest}`]
  const answer = async (client: Client, status: number, method: string, path: string, name: string) => {
    const response = await client.call(method, `/v2/${name}/${path}`, status)
    return (await response.text()).replaceAll(name, 'NAME')
  }
  for (const path of reads) {
    const told = await answer(stranger, 404, 'GET', path, 'acme/app')
    expect(told).toContain('NAME_UNKNOWN')
    expect(told).toBe(await answer(stranger, 404, 'GET', path, 'acme/none'))
    expect(told).toBe(await answer(stranger, 404, 'GET', path, 'nobody/none'))
    expect(await answer(anonymous, 401, 'GET', path, 'acme/app')).toBe(
      await answer(anonymous, 401, 'GET', path, 'nobody/none'),
    )
  }
  for (const [method, path] of [
    ['POST', 'blobs/uploads/'],
    ['DELETE', 'manifests/1.0'],
  ]) {
    expect(await answer(stranger, 403, method!, path!, 'acme/app')).toBe(
      await answer(stranger, 403, method!, path!, 'nobody/none'),
    )
  }
})

test('push access: one organization, pull and push, and one repository when it says so', async () => {
  const { ctx, server, owner } = await setup()
  await owner.pushImage('acme/second', '1.0')
  const key = await apiKey(ctx, 'acme')
  const everywhere = new Client(server, basic(await pushSecret(ctx, key)))
  const { digest } = await everywhere.pushImage('acme/app', '1.0')
  expect(await everywhere.refused('DELETE', `/v2/acme/app/manifests/${digest}`, 403)).toBe('DENIED')

  const narrow = new Client(server, basic(await pushSecret(ctx, key, 'app')))
  await narrow.call('GET', '/v2/acme/app/manifests/1.0', 200)
  const { layer } = await narrow.pushImage('acme/app', '1.1', 'more')
  expect(await narrow.refused('GET', '/v2/acme/second/manifests/1.0', 403)).toBe('DENIED')
  expect(await narrow.refused('POST', '/v2/acme/second/blobs/uploads/', 403)).toBe('DENIED')
  // Nor does a mount reach there.
  const secret = await owner.pushBlob('acme/second', 'secret')
  for (const from of ['', '&from=acme/second']) {
    await narrow.call('POST', `/v2/acme/app/blobs/uploads/?mount=${secret}${from}`, 202)
  }
  await narrow.call('POST', `/v2/acme/app/blobs/uploads/?mount=${layer}&from=acme/app`, 201)
})

test('credentials end with the API key behind them', async () => {
  const { ctx, server } = await setup()
  const key = await apiKey(ctx, 'acme')
  const secret = await pushSecret(ctx, key)
  expect(await principalOfPushSecret(ctx, secret)).toBeDefined()
  await ctx.db.deleteFrom('api_keys').execute()
  for (const value of [key, secret]) {
    expect(await new Client(server, basic(value)).refused('GET', '/v2/', 401)).toBe('UNAUTHORIZED')
  }
})

test('of a repository with a public image anyone sees that image, and nothing else', async () => {
  const { ctx, owner, stranger, anonymous } = await setup()
  const shown = await owner.pushImage('acme/app', '1.0', 'shown')
  const hidden = await owner.pushImage('acme/app', '2.0', 'hidden')
  const signature = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(OCI_CONFIG, 'signature'),
    layers: [],
    subject: { mediaType: OCI_MANIFEST, digest: shown.digest, size: 1 },
  }
  await owner.pushBlob('acme/app', 'signature')
  const signed = await owner.pushManifest('acme/app', 'sig', signature)
  await makePublic(ctx, 'app:1.0')
  for (const [client, status] of [
    [stranger, 404],
    [anonymous, 404],
  ] as const) {
    for (const visible of ['manifests/1.0', `manifests/${shown.digest}`, `blobs/${shown.layer}`]) {
      await client.call('GET', `/v2/acme/app/${visible}`, 200)
    }
    for (const path of [
      'manifests/2.0',
      `manifests/${hidden.digest}`,
      `blobs/${hidden.layer}`,
      'manifests/sig',
    ]) {
      await client.call('GET', `/v2/acme/app/${path}`, status)
    }
    await client.call('GET', `/v2/acme/app/manifests/${signed}`, status)
    expect(await (await client.call('GET', '/v2/acme/app/tags/list', 200)).json()).toEqual({
      name: 'acme/app',
      tags: ['1.0'],
    })
    const referrers = await client.call('GET', `/v2/acme/app/referrers/${shown.digest}`, 200)
    expect(await referrers.json()).toMatchObject({ manifests: [] })
  }
  expect(await anonymous.refused('POST', '/v2/acme/app/blobs/uploads/', 401)).toBe('UNAUTHORIZED')
  expect(await stranger.refused('POST', '/v2/acme/app/blobs/uploads/', 403)).toBe('DENIED')
})

test('a public index shows its manifests; private again, nothing', async () => {
  const { ctx, owner, anonymous } = await setup()
  const { digest, manifest, layer } = await owner.pushImage('acme/app', 'part')
  const entry = { mediaType: OCI_MANIFEST, digest, size: JSON.stringify(manifest).length }
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [entry],
  }
  await owner.pushManifest('acme/app', '1.0', index)
  await makePublic(ctx, 'app:1.0')
  await anonymous.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
  await anonymous.call('GET', `/v2/acme/app/blobs/${layer}`, 200)
  // `part` is a private image of the same content: only its name is hidden.
  await anonymous.call('GET', '/v2/acme/app/manifests/part', 404)
  await ctx.db.updateTable('images').set({ visibility: 'private' }).execute()
  await anonymous.call('GET', `/v2/acme/app/manifests/${digest}`, 401)
})

test('a Host header that is none does not reach the challenge', async () => {
  const { server } = await setup()
  const { request } = await import('node:http')
  const challenge = await new Promise<string>((resolve, reject) => {
    const outgoing = request(
      { port: server.port, path: '/v2/', headers: { host: 'a",scope="x' } },
      (response) => {
        response.resume()
        resolve(String(response.headers['www-authenticate'] ?? response.statusCode))
      },
    )
    outgoing.on('error', reject).end()
  })
  expect(challenge).not.toContain('scope')
})
