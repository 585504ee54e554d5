import { expect, test } from 'vitest'
import type { Digest } from '../../../src/oci/digest.ts'
import { apiKey, basic, Client, serve, sha256, testContext } from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  return { ctx, client }
}

const BYTES = Buffer.from('0123456789')
const PATH = `/v2/acme/app/blobs/${sha256(BYTES)}`

test.each([
  ['bytes=2-4', '234', 'bytes 2-4/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=-3', '789', 'bytes 7-9/10'],
  ['bytes=-30', '0123456789', 'bytes 0-9/10'],
  ['bytes=8-5000', '89', 'bytes 8-9/10'],
  ['bytes=0-0', '0', 'bytes 0-0/10'],
])('Range %j', async (range, text, contentRange) => {
  const { client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  const got = await client.call('GET', PATH, 206, { headers: { range } })
  expect(got.headers.get('content-range')).toBe(contentRange)
  expect(got.headers.get('content-length')).toBe(String(text.length))
  expect(await got.text()).toBe(text)
})

test.each(['bytes=10-', 'bytes=10-12', 'bytes=-0'])('Range %j is 416', async (range) => {
  const { client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  const refused = await client.call('GET', PATH, 416, { headers: { range } })
  expect(refused.headers.get('content-range')).toBe('bytes */10')
})

test.each(['bytes=0-1,3-4', 'bytes=5-2', 'bytes=12-11', 'lines=0-1', 'bytes=-', 'nonsense'])(
  'Range %j gives all',
  async (range) => {
    const { client } = await setup()
    await client.pushBlob('acme/app', BYTES)
    expect(await (await client.call('GET', PATH, 200, { headers: { range } })).text()).toBe('0123456789')
  },
)

test('a range of something that has changed gives all', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  const headers = { range: 'bytes=0-1', 'if-range': '"sha256:other"' }
  await client.call('GET', PATH, 200, { headers })
  await client.call('GET', PATH, 206, { headers: { ...headers, 'if-range': `"${sha256(BYTES)}"` } })
})

test('HEAD says what GET would, and a known blob is not sent again', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  const head = await client.call('HEAD', PATH, 200)
  expect(head.headers.get('content-length')).toBe('10')
  expect(head.headers.get('docker-content-digest')).toBe(sha256(BYTES))
  const etag = head.headers.get('etag') ?? ''
  await client.call('GET', PATH, 304, { headers: { 'if-none-match': etag } })
})

test('what is unknown and what is no digest', async () => {
  const { client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  expect(await client.refused('GET', `/v2/acme/app/blobs/${sha256('x')}`, 404)).toBe('BLOB_UNKNOWN')
  expect(await client.refused('GET', PATH.replace('/app/', '/unused/'), 404)).toBe('BLOB_UNKNOWN')
  expect(await client.refused('GET', '/v2/acme/app/blobs/1.0', 400)).toBe('DIGEST_INVALID')
})

test('a row without a file is told as unknown, never as an empty blob', async () => {
  const { ctx, client } = await setup()
  await client.pushBlob('acme/app', BYTES)
  await ctx.blobs.removeBlob(sha256(BYTES), async () => true)
  expect(await client.refused('GET', PATH, 404)).toBe('BLOB_UNKNOWN')
})

test('mount links a blob of another repository without sending it', async () => {
  const { client } = await setup()
  const digest = await client.pushBlob('acme/app', BYTES)
  for (const [name, from] of [
    ['acme/second', '&from=acme/app'],
    ['acme/third', ''],
  ]) {
    const mounted = await client.call('POST', `/v2/${name}/blobs/uploads/?mount=${digest}${from}`, 201)
    expect(mounted.headers.get('location')).toBe(`/v2/${name}/blobs/${digest}`)
    await client.call('GET', `/v2/${name}/blobs/${digest}`, 200)
  }
})

test.each([
  ['the other repository lacks it', 'acme/empty'],
  ['the other repository does not exist', 'acme/none'],
  ['the other name cannot be a repository here', 'app'],
  ['it is in another organization', 'other/app'],
])('mount begins an upload when %s', async (_, from) => {
  const { ctx, client } = await setup()
  const server = await serve(ctx)
  const stranger = new Client(server, basic(await apiKey(ctx, 'other')))
  const digest = await stranger.pushBlob('other/app', BYTES)
  await client.upload('acme/empty')
  for (const query of [`mount=${digest}&from=${from}`, `mount=${digest}`]) {
    const answer = await client.call('POST', `/v2/acme/app/blobs/uploads/?${query}`, 202)
    expect(answer.headers.get('location')).toContain('/v2/acme/app/blobs/uploads/')
  }
  await client.call('HEAD', PATH, 404)
})

test('delete takes a blob from one repository; its file goes with the last link', async () => {
  const { ctx, client } = await setup()
  const digest = await client.pushBlob('acme/app', BYTES)
  await client.pushBlob('acme/second', BYTES)
  await client.call('DELETE', PATH, 202)
  await client.call('HEAD', PATH, 404)
  expect(await client.refused('DELETE', PATH, 404)).toBe('BLOB_UNKNOWN')
  await client.call('GET', PATH.replace('/app/', '/second/'), 200)
  expect(await ctx.blobs.size(digest)).toBe(10)
  await client.call('DELETE', PATH.replace('/app/', '/second/'), 202)
  expect(await ctx.blobs.size(digest)).toBeUndefined()
})

test('a blob that a manifest needs is not deleted', async () => {
  const { client } = await setup()
  const { layer, digest } = await client.pushImage('acme/app', '1.0')
  expect(await client.refused('DELETE', `/v2/acme/app/blobs/${layer}`, 409)).toBe('DENIED')
  await client.call('DELETE', `/v2/acme/app/manifests/${digest}`, 202)
  await client.call('DELETE', `/v2/acme/app/blobs/${layer}`, 202)
})

test('methods and paths that the protocol does not have', async () => {
  const { client } = await setup()
  for (const [method, path] of [
    ['OPTIONS', '/v2/'],
    ['OPTIONS', '/v2'],
    ['POST', '/v2/'],
    ['DELETE', '/v2/_catalog'],
  ] as const) {
    expect(await client.refused(method, path, 405)).toBe('UNSUPPORTED')
  }
  expect((await client.call('OPTIONS', '/v2/', 405)).headers.get('allow')).toBe('GET, HEAD')
  expect(await client.refused('OPTIONS', PATH, 405)).toBe('UNSUPPORTED')
  const wrong = await client.call('POST', PATH, 405)
  expect(wrong.headers.get('allow')).toBe('GET, HEAD, DELETE')
  expect(await client.refused('GET', '/v2/acme/app/nonsense', 404)).toBe('UNSUPPORTED')
  expect(await client.refused('GET', '/v2/acme/App/tags/list', 400)).toBe('NAME_INVALID')
  expect(await client.refused('GET', `/v2/acme/${'a'.repeat(300)}/tags/list`, 400)).toBe('NAME_INVALID')
  expect(await client.refused('GET', '/v2/app/tags/list', 404)).toBe('NAME_UNKNOWN')
})

test('a client that goes away in the middle of a blob leaves no file open', async () => {
  const { ctx, client } = await setup()
  const digest = await client.pushBlob('acme/app', Buffer.alloc(32 * 1024 * 1024))
  const handles: Promise<void>[] = []
  const { open } = ctx.blobs
  Object.assign(ctx.blobs, {
    open: async (wanted: Digest) => {
      const blob = await open(wanted)
      return {
        sendTo: (...args: Parameters<typeof blob.sendTo>) => {
          const sending = blob.sendTo(...args)
          handles.push(sending.catch(() => {}))
          return sending
        },
      }
    },
  })
  for (let i = 0; i < 5; i++) {
    const response = await client.call('GET', `/v2/acme/app/blobs/${digest}`, 200)
    await response.body?.cancel()
  }
  await Promise.all(handles)
  expect(handles).toHaveLength(5)
  await client.call('GET', `/v2/acme/app/blobs/${digest}`, 206, { headers: { range: 'bytes=0-9' } })
})
