import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import Type from 'typebox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiError, ServerConfig } from '../../../src/contract/server.ts'
import { type OpenApp, openApp } from './open-app.ts'

let app: OpenApp

beforeAll(async () => {
  app = await openApp({
    plugins: {
      api: [
        async (scope) => {
          const querystring = Type.Object(
            { n: Type.Optional(Type.Integer()), b: Type.Optional(Type.Boolean()) },
            { additionalProperties: false },
          )
          scope.get('/echo', { schema: { querystring } }, async (request) => request.query)
          const body = Type.Object({ n: Type.Integer() }, { additionalProperties: false })
          scope.post('/echo', { schema: { body } }, async (request) => request.body)
        },
      ],
      registry: async (scope) => {
        scope.put('/v2/*', async (request) => ({
          parsed: request.body !== undefined,
          received: await readText(request.raw),
        }))
      },
    },
  })
})
afterAll(() => app.close())

describe('what comes in', () => {
  it.each([
    ['n=5', { n: 5 }],
    ['n=-3', { n: -3 }],
    ['b=true', { b: true }],
    ['', {}],
  ])('reads the query %j', async (query, expected) => {
    expect((await app.call('GET', `/api/echo?${query}`)).as()).toEqual(expected)
  })

  it.each(['n=1.5', 'n=', 'n=abc', 'n=0x10', 'n=1e3', 'n=%205', 'n=true', 'n=1&n=2', 'b=1', 'b=yes', 'x=1'])(
    'refuses the query %j',
    async (query) => {
      const answer = await app.call('GET', `/api/echo?${query}`)
      expect(answer.as<ApiError>()).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' })
    },
  )

  it.each([
    ['a number as text', { n: '5' }, 'n: must be integer'],
    ['an unknown field', { n: 5, id: 'x' }, 'body: unknown field "id"'],
    ['a missing field', {}, 'body: missing field "n"'],
    ['a prototype', '{"n":5,"__proto__":{"admin":true}}', undefined],
    ['what is not JSON', '{"n":', undefined],
    ['a list', [], undefined],
    ['nothing', '', undefined],
  ])('refuses a body with %s', async (_, body, message) => {
    const answer = await app.call('POST', '/api/echo', { body })
    const expected = { statusCode: 400, code: 'BAD_REQUEST', ...(message ? { message } : {}) }
    expect(answer.as<ApiError>()).toMatchObject(expected)
  })

  it('does not repeat a body that it could not read', async () => {
    const answer = await app.call('POST', '/api/echo', { body: 'hunter2 {' })
    expect(answer.text).not.toContain('hunter2')
  })

  it('refuses a body that is too large, and one of another type', async () => {
    const large = await app.call('POST', '/api/echo', { body: { n: 'x'.repeat(1024 * 1024) } })
    expect(large.as<ApiError>()).toMatchObject({ statusCode: 413, code: 'TOO_LARGE' })
    const form = await app.call('POST', '/api/echo', {
      body: 'n=5',
      headers: { 'content-type': 'text/plain' },
    })
    expect(form.as<ApiError>()).toMatchObject({ statusCode: 415, code: 'UNSUPPORTED' })
  })

  it.each(['application/json', 'application/octet-stream', 'application/vnd.oci.image.manifest.v1+json', ''])(
    'leaves a registry body of type %j to the registry, whatever its size',
    async (type) => {
      const parts = Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024, '{'))
      const response = await fetch(`${app.url}/v2/a/blobs/uploads/1`, {
        method: 'PUT',
        headers: type ? { 'content-type': type } : {},
        body: Readable.toWeb(Readable.from(parts)) as ReadableStream,
        duplex: 'half',
      } as RequestInit)
      const { parsed, received } = (await response.json()) as { parsed: boolean; received: string }
      expect([parsed, received.length]).toEqual([false, 40 * 64 * 1024])
    },
  )

  it.each([
    ['registry.example.com', 'registry.example.com'],
    ['Images.Example.com:8443', 'images.example.com:8443'],
    ['[::1]:7700', '[::1]:7700'],
  ])('calls itself what the Host header says: %s', async (host, expected) => {
    const { status, body } = await rawGet('/api/config', host)
    expect([status, (JSON.parse(body) as ServerConfig).registry.host]).toEqual([200, expected])
  })

  it.each(['evil.example/path', 'user@evil.example', 'a b', '"><script>', 'host:port', 'a'.repeat(300)])(
    'refuses the Host header %j',
    async (host) => {
      const { status, body } = await rawGet('/api/config', host)
      expect(status).toBe(400)
      expect(body).not.toContain('registry')
    },
  )
})

describe('what is no request', () => {
  it.each([
    ['bytes', 'asdf\r\n\r\n', 400, 'BAD_REQUEST'],
    [
      'a header beyond all',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'TOO_LARGE',
    ],
    [
      'two lengths',
      'POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'BAD_REQUEST',
    ],
  ])('is refused in the form of other errors: %s', async (_, text, statusCode, code) => {
    const { status, body } = await raw(text)
    expect([status, JSON.parse(body)]).toEqual([statusCode, expect.objectContaining({ statusCode, code })])
  })

  it('answers HEAD as GET, without the body', async () => {
    const answer = await app.call('HEAD', '/api/health', { key: null })
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('the public URL', () => {
  it('goes before what a request says', async () => {
    const proxied = await openApp({ settings: { publicUrl: 'https://images.example.com/' } })
    const { registry } = (await proxied.call('GET', '/api/config')).as<ServerConfig>()
    await proxied.close()
    expect(registry).toEqual({ host: 'images.example.com', secure: true })
  })
})

/** A request with exactly this Host header, which fetch would not send. */
function rawGet(path: string, host: string): Promise<{ status: number; body: string }> {
  return raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
}

async function raw(text: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(app.url)
  const socket = connect(Number(port), hostname)
  socket.write(text)
  const answer = await readText(socket)
  return { status: Number(answer.split(' ')[1]), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) }
}
