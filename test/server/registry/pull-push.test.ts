import { expect, test } from 'vitest'
import { apiKey, basic, Client, serve, sha256, sha512, testContext } from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const key = await apiKey(ctx, 'acme')
  return { ctx, server, client: new Client(server, basic(key)) }
}

test('an image is pushed and comes back byte for byte, by tag and by digest', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/team/app', '1.0')
  for (const reference of ['1.0', digest]) {
    const got = await client.call('GET', `/v2/acme/team/app/manifests/${reference}`, 200)
    expect(got.headers.get('docker-content-digest')).toBe(digest)
    expect(got.headers.get('content-type')).toBe(manifest.mediaType)
    expect(await got.text()).toBe(JSON.stringify(manifest))
    const head = await client.call('HEAD', `/v2/acme/team/app/manifests/${reference}`, 200)
    expect(head.headers.get('content-length')).toBe(String(JSON.stringify(manifest).length))
  }
  expect(ctx.wakes()).toBe(1)
})

test.each(['POST with digest', 'POST, PUT', 'POST, PATCH, PUT', 'chunks'])(
  'a blob arrives by %s',
  async (way) => {
    const { client } = await setup()
    const bytes = Buffer.alloc(300_000, way)
    const digest = sha256(bytes)
    const done = `digest=${digest}`
    if (way === 'POST with digest') await client.pushBlob('acme/app', bytes)
    else {
      const path = await client.upload('acme/app')
      if (way === 'POST, PUT') await client.call('PUT', `${path}?${done}`, 201, { body: bytes })
      if (way === 'POST, PATCH, PUT') {
        await client.call('PATCH', path, 202, { body: bytes })
        await client.call('PUT', `${path}?${done}`, 201)
      }
      if (way === 'chunks') {
        const first = await client.call('PATCH', path, 202, {
          body: bytes.subarray(0, 100_000),
          headers: { 'content-range': '0-99999' },
        })
        expect(first.headers.get('range')).toBe('0-99999')
        await client.call('PUT', `${path}?${done}`, 201, {
          body: bytes.subarray(100_000),
          headers: { 'content-range': '100000-299999' },
        })
      }
    }
    const got = await client.call('GET', `/v2/acme/app/blobs/${digest}`, 200)
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
  },
)

test('sha512 blobs', async () => {
  const { client } = await setup()
  const digest = sha512('hello')
  for (const query of ['', '?digest-algorithm=sha512']) {
    const path = await client.upload('acme/app', query)
    await client.call('PUT', `${path}?digest=${digest}`, 201, { body: 'hello' })
  }
  const got = await client.call('GET', `/v2/acme/app/blobs/${digest}`, 200)
  expect(await got.text()).toBe('hello')
})
