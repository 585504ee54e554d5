import { rm, symlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import {
  apiKey,
  basic,
  Client,
  IMAGE_BYTES,
  STALLED_MS,
  serve,
  sha256,
  type TestServer,
  testContext,
} from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const key = await apiKey(ctx, 'acme')
  return { ctx, server, key, client: new Client(server, basic(key)) }
}

const BYTES = Buffer.from('0123456789')
const DIGEST = sha256(BYTES)

async function rangeOf(client: Client, path: string): Promise<string | null> {
  return (await client.call('GET', path, 204)).headers.get('range')
}

/** What is on disk and in the database of uploads. */
async function leftovers({ ctx }: { ctx: Awaited<ReturnType<typeof testContext>> }) {
  const rows = await ctx.db.selectFrom('uploads').select('id').execute()
  return { rows: rows.length, files: (await ctx.blobs.uploads.list()).length }
}

/** A request whose body stops halfway: resolves to the socket when the first part is on its way. */
async function halfPatch(server: TestServer, key: string, path: string, part: Buffer, total: number) {
  const socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write(
    `PATCH ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${basic(key)}\r\nContent-Length: ${total}\r\n\r\n`,
  )
  socket.write(part)
  await sleep(30)
  return socket
}

test('an upload has an unpredictable id, and says how far it is', async () => {
  const { client } = await setup()
  const [path, other] = [await client.upload('acme/app'), await client.upload('acme/app')]
  expect(path).toMatch(/^\/v2\/acme\/app\/blobs\/uploads\/[0-9a-f-]{36}$/)
  expect(other).not.toBe(path)
  expect(await rangeOf(client, path)).toBe('0-0')
  await client.call('PATCH', path, 202, { body: BYTES })
  expect(await rangeOf(client, path)).toBe('0-9')
})

test.each([
  ['skips ahead', '12-14'],
  ['begins again', '0-2'],
])('a chunk that %s is 416 with the right offset, and changes nothing', async (_, range) => {
  const { client } = await setup()
  const path = await client.upload('acme/app')
  await client.call('PATCH', path, 202, { body: BYTES })
  const chunk = { body: 'abc', headers: { 'content-range': range } }
  const refused = await client.call('PATCH', path, 416, chunk)
  expect(refused.headers.get('range')).toBe('0-9')
  expect(refused.headers.get('location')).toBe(path)
  expect(await client.refused('PUT', `${path}?digest=${DIGEST}`, 416, chunk)).toBe('BLOB_UPLOAD_INVALID')
  await client.call('PUT', `${path}?digest=${DIGEST}`, 201)
})

test.each([
  ['no range', 'BLOB_UPLOAD_INVALID'],
  ['0-', 'BLOB_UPLOAD_INVALID'],
  ['5-2', 'SIZE_INVALID'],
  ['0-99', 'SIZE_INVALID'],
])('Content-Range %j with 10 bytes is %s', async (range, code) => {
  const { client } = await setup()
  const path = await client.upload('acme/app')
  const body = { body: BYTES, headers: { 'content-range': range } }
  expect(await client.refused('PATCH', path, 400, body)).toBe(code)
  expect(await rangeOf(client, path)).toBe('0-0')
})

test("HTTP's form of Content-Range is understood", async () => {
  const { client } = await setup()
  const path = await client.upload('acme/app')
  await client.call('PATCH', path, 202, { body: BYTES, headers: { 'content-range': 'bytes 0-9/20' } })
})

test('a wrong digest is refused, and the upload is gone with all its bytes', async () => {
  const { ctx, client } = await setup()
  const path = await client.upload('acme/app')
  const wrong = `?digest=${sha256('something else')}`
  expect(await client.refused('PUT', path + wrong, 400, { body: BYTES })).toBe('DIGEST_INVALID')
  expect(await client.refused('GET', path, 404)).toBe('BLOB_UPLOAD_UNKNOWN')
  const post = `/v2/acme/app/blobs/uploads/${wrong}`
  expect(await client.refused('POST', post, 400, { body: BYTES })).toBe('DIGEST_INVALID')
  expect(await leftovers({ ctx })).toEqual({ rows: 0, files: 0 })
  await client.call('HEAD', `/v2/acme/app/blobs/${DIGEST}`, 404)
})

test.each(['', '?digest=', '?digest=md5:abc', '?digest=sha256:short', `?digest=${DIGEST.toUpperCase()}`])(
  'PUT with %j is DIGEST_INVALID, and the upload goes on',
  async (query) => {
    const { client } = await setup()
    const path = await client.upload('acme/app')
    expect(await client.refused('PUT', path + query, 400, { body: BYTES })).toBe('DIGEST_INVALID')
    await client.call('PUT', `${path}?digest=${DIGEST}`, 201, { body: BYTES })
  },
)

test('an unknown digest algorithm is DIGEST_INVALID', async () => {
  const { client } = await setup()
  const path = '/v2/acme/app/blobs/uploads/?digest-algorithm=md5'
  expect(await client.refused('POST', path, 400)).toBe('DIGEST_INVALID')
})

test('an upload belongs to its repository', async () => {
  const { client } = await setup()
  const path = await client.upload('acme/app')
  await client.upload('acme/second')
  const elsewhere = path.replace('/app/', '/second/')
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    expect(await client.refused(method, elsewhere, 404)).toBe('BLOB_UPLOAD_UNKNOWN')
  }
  expect(await client.refused('PUT', `${elsewhere}?digest=${DIGEST}`, 404)).toBe('BLOB_UPLOAD_UNKNOWN')
  await client.call('GET', path, 204)
})

test.each(['../../imgctl.db', 'no-such', '00000000-0000-0000-0000-000000000000'])(
  'the id %j is unknown',
  async (id) => {
    const { client } = await setup()
    await client.upload('acme/app')
    const path = `/v2/acme/app/blobs/uploads/${encodeURIComponent(id)}`
    const response = await client.call('GET', path, 404)
    expect(await response.text()).toMatch(/BLOB_UPLOAD_UNKNOWN|UNSUPPORTED|NAME_INVALID/)
  },
)

test('a cancelled upload is gone', async () => {
  const { ctx, client } = await setup()
  const path = await client.upload('acme/app')
  await client.call('PATCH', path, 202, { body: BYTES })
  await client.call('DELETE', path, 204)
  expect(await client.refused('PATCH', path, 404, { body: BYTES })).toBe('BLOB_UPLOAD_UNKNOWN')
  expect(await leftovers({ ctx })).toEqual({ rows: 0, files: 0 })
})

test('a blob over the limit is 413 by its length alone, and the upload goes on', async () => {
  const { ctx, client } = await setup()
  const path = await client.upload('acme/app')
  await client.call('PATCH', path, 202, { body: BYTES })
  const tooMuch = { body: Buffer.alloc(IMAGE_BYTES - 9) }
  expect(await client.refused('PATCH', path, 413, tooMuch)).toBe('SIZE_INVALID')
  expect(await rangeOf(client, path)).toBe('0-9')
  await client.call('DELETE', path, 204)
  expect(await leftovers({ ctx })).toEqual({ rows: 0, files: 0 })
})

test('a stream that turns out to be over the limit is 413, and nothing of it stays', async () => {
  const { ctx, server, key, client } = await setup()
  const path = await client.upload('acme/app')
  const chunk = new Uint8Array(1024 * 1024)
  let sent = 0
  const body = new ReadableStream({
    pull(controller) {
      if (sent++ < IMAGE_BYTES / chunk.length + 1) controller.enqueue(chunk)
      else controller.close()
    },
  })
  const response = await fetch(server.url + path, {
    method: 'PATCH',
    headers: { authorization: basic(key) },
    body,
    duplex: 'half',
  } as RequestInit)
  expect(response.status).toBe(413)
  expect(await leftovers({ ctx })).toEqual({ rows: 0, files: 0 })
})

test('an upload goes on after the server was started again', async () => {
  const { ctx, server, key } = await setup()
  const path = await new Client(server, basic(key)).upload('acme/app')
  await new Client(server, basic(key)).call('PATCH', path, 202, { body: BYTES.subarray(0, 6) })
  await server.close()
  await ctx.db.destroy()

  const again = await testContext({ dataDir: ctx.settings.dataDir })
  const client = new Client(await serve(again), basic(key))
  expect(await rangeOf(client, path)).toBe('0-5')
  const rest = { body: BYTES.subarray(6), headers: { 'content-range': '6-9' } }
  await client.call('PATCH', path, 202, rest)
  await client.call('PUT', `${path}?digest=${DIGEST}`, 201)
  expect(await (await client.call('GET', `/v2/acme/app/blobs/${DIGEST}`, 200)).text()).toBe(String(BYTES))
})

test('what a client sent before it went away stays, and it goes on there', async () => {
  const { server, key, client } = await setup()
  const path = await client.upload('acme/app')
  const socket = await halfPatch(server, key, path, BYTES.subarray(0, 7), 10)
  socket.destroy()
  await expect.poll(() => rangeOf(client, path)).toBe('0-6')
  const rest = { body: BYTES.subarray(7), headers: { 'content-range': '7-9' } }
  // Until the server has seen the connection end, it answers 409 with Retry-After.
  const finished = () => client.call('PUT', `${path}?digest=${DIGEST}`, 201, rest).then(() => true)
  await expect.poll(() => finished().catch(() => false)).toBe(true)
})

test('of two senders at once the second is refused, and takes over when the first has stalled', async () => {
  const { server, key, client } = await setup()
  const path = await client.upload('acme/app')
  const first = await halfPatch(server, key, path, BYTES.subarray(0, 4), 1000)
  const closed = new Promise((resolve) => first.once('close', resolve))
  const feed = setInterval(() => first.write(BYTES.subarray(4, 5)), STALLED_MS / 2)
  const refused = await client.call('PATCH', path, 409, { body: 'xx' })
  clearInterval(feed)
  expect(refused.headers.get('retry-after')).toBe('1')

  await sleep(STALLED_MS * 2)
  const received = Number((await rangeOf(client, path))?.slice(2)) + 1
  const rest = Buffer.concat([BYTES.subarray(0, 4), Buffer.alloc(900, '4')])
  const whole = rest.subarray(0, received + 3)
  const headers = { 'content-range': `${received}-${received + 2}` }
  const takeOver = () =>
    client.call('PUT', `${path}?digest=${sha256(whole)}`, 201, { body: whole.subarray(received), headers })
  // A busy machine may take its time to let go of the first sender: 409 with Retry-After until then.
  await expect
    .poll(() =>
      takeOver().then(
        () => true,
        () => false,
      ),
    )
    .toBe(true)
  await closed
})

test('many uploads of the same blob at once all succeed', async () => {
  const { client } = await setup()
  const bytes = Buffer.alloc(500_000, 'x')
  await Promise.all(Array.from({ length: 10 }, () => client.pushBlob('acme/app', bytes)))
  await client.call('HEAD', `/v2/acme/app/blobs/${sha256(bytes)}`, 200)
})

test('an upload that nothing was added to for a day is unknown; adding to it begins a new day', async () => {
  const { ctx, client } = await setup()
  const [kept, lost] = [await client.upload('acme/app'), await client.upload('acme/app')]
  ctx.advance(20 * 3600_000)
  await client.call('PATCH', kept, 202, { body: BYTES })
  ctx.advance(5 * 3600_000)
  await client.call('GET', kept, 204)
  expect(await client.refused('PATCH', lost, 404, { body: BYTES })).toBe('BLOB_UPLOAD_UNKNOWN')
})

test('a full disk is 507 with its own code, and the upload gives its space back', async () => {
  const { ctx, client } = await setup()
  const path = await client.upload('acme/app')
  const file = join(ctx.settings.dataDir, 'uploads', path.slice(path.lastIndexOf('/') + 1))
  // Linux answers ENOSPC to every write there.
  await rm(file)
  await symlink('/dev/full', file)
  expect(await client.refused('PATCH', path, 507, { body: BYTES })).toBe('DISK_FULL')
  expect(await leftovers({ ctx })).toEqual({ rows: 0, files: 0 })
})
