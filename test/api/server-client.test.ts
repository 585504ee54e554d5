import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { ServerClient } from '../../src/api/server-client.ts'
import { Transport } from '../../src/api/transport.ts'
import { apiKeyBearer } from '../../src/auth/session.ts'
import type { Bearer } from '../../src/ports/credentials.ts'

const KEY = 'img_secret-key'

interface Seen {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly ifMatch: string | undefined
  readonly organization?: string | string[] | undefined
  readonly body: string
}
type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A server that answers as a test says, and a client of it. */
async function withServer(
  answer: Answer,
  { bearer, organization }: { bearer?: Bearer; organization?: string } = {},
) {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push({
      method: request.method!,
      url: request.url!,
      authorization: request.headers.authorization,
      ifMatch: request.headers['if-match'],
      organization: request.headers['x-imgctl-organization-id'],
      body,
    })
    answer(request, response, seen.length)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dispatcher = new Agent()
  onTestFinished(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  const options = { server: url, userAgent: 'imgctl/test', dispatcher }
  const transport = new Transport({ ...options, bearer: bearer ?? apiKeyBearer(KEY), organization })
  return { client: new ServerClient(transport), seen, url, server }
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function apiError(code: string, statusCode: number, hint: string | null = null) {
  return {
    statusCode,
    code,
    error: 'Error',
    message: `message of ${code}`,
    hint,
    requestId: 'r-1',
    path: '/',
    timestamp: '',
  }
}

test('an id or name is one path segment, and the key goes along', async () => {
  const { client, seen } = await withServer((_, response) => json(response, 200, { name: 'ok' }))
  await client.image('team/app:1.0?x#y')
  expect(seen[0]).toMatchObject({
    url: '/api/images/team%2Fapp%3A1.0%3Fx%23y',
    authorization: `Bearer ${KEY}`,
  })
})

test.each([
  ['IMAGE_NOT_FOUND', 404, 'IMAGE_NOT_FOUND', 3],
  ['NAME_TAKEN', 409, 'NAME_TAKEN', 7],
  ['PRECONDITION_FAILED', 412, 'PRECONDITION_FAILED', 7],
  ['AUTH_REQUIRED', 401, 'AUTH_REQUIRED', 4],
  ['FORBIDDEN', 403, 'FORBIDDEN', 4],
  ['BAD_REQUEST', 400, 'BAD_REQUEST', 2],
  ['A_CODE_OF_THE_FUTURE', 404, 'NOT_FOUND', 3],
  ['A_CODE_OF_THE_FUTURE', 418, 'SERVER_ERROR', 1],
  ['INTERNAL', 500, 'SERVER_ERROR', 1],
  ['INTERRUPTED', 400, 'BAD_REQUEST', 2],
])('%s with %d is %s, exit %d', async (code, status, expected, exitCode) => {
  const { client, seen } = await withServer((_, response) => json(response, status, apiError(code, status)))
  await expect(client.image('x')).rejects.toMatchObject({
    code: expected,
    exitCode,
    status,
    requestId: 'r-1',
    message: `message of ${code}`,
  })
  expect(seen).toHaveLength(1)
})

test('a 401 always comes with how to log in', async () => {
  const { client } = await withServer((_, response) => json(response, 401, apiError('AUTH_REQUIRED', 401)))
  await expect(client.me()).rejects.toMatchObject({ hint: expect.stringContaining('imgctl login') })
})

test("the server's own hint is kept", async () => {
  const { client } = await withServer((_, response) =>
    json(response, 409, apiError('NAME_TAKEN', 409, 'do this')),
  )
  await expect(client.createImage({ name: 'a:1' })).rejects.toMatchObject({ hint: 'do this' })
})

test.each([
  [200, '<html><body><h1>Welcome</h1>\x1b[2J</body></html>'],
  [404, '<html>nothing here</html>'],
  [200, ''],
  [200, '{"half":'],
])('%d with %j is no answer of the API', async (status, body) => {
  const { client } = await withServer((_, response) => response.writeHead(status).end(body))
  const error = await client.me().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'SERVER_ERROR',
    status,
    message: expect.stringContaining(String(status)),
  })
  expect((error as Error).message).not.toMatch(/\x1b|<h1>|\n/)
})

test('a redirect is not followed, and its secrets are not shown', async () => {
  const other = await withServer((_, response) => json(response, 200, {}))
  const { client } = await withServer((_, response) =>
    response.writeHead(302, { location: `${other.url}/login?token=s3cret` }).end(),
  )
  await expect(client.me()).rejects.toMatchObject({
    code: 'SERVER_ERROR',
    status: 302,
    message: expect.not.stringContaining('s3cret'),
  })
  expect(other.seen).toEqual([])
})

test('a passing failure is tried again when the call may be repeated', async () => {
  const { client, seen } = await withServer((_, response, count) =>
    count < 3
      ? json(response, 503, apiError('SERVER_ERROR', 503), { 'retry-after': '0' })
      : json(response, 200, { id: 'i' }),
  )
  expect(await client.createImage({ name: 'a:1' })).toEqual({ id: 'i' })
  expect(seen.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST'])
})

test('a broken connection is tried again', async () => {
  const { client, seen } = await withServer((_, response, count) =>
    count === 1 ? response.socket?.destroy() : json(response, 200, { id: 'i' }),
  )
  expect(await client.image('a:1')).toEqual({ id: 'i' })
  expect(seen).toHaveLength(2)
})

test('retry is sent once', async () => {
  const { client, seen } = await withServer((_, response) =>
    json(response, 503, apiError('SERVER_ERROR', 503)),
  )
  await expect(client.retryImage('a:1')).rejects.toMatchObject({ code: 'SERVER_ERROR', retryable: true })
  expect(seen).toHaveLength(1)
})

test('a delete whose answer was lost is a delete', async () => {
  const { client, seen } = await withServer((_, response, count) =>
    count === 1 ? response.socket?.destroy() : json(response, 404, apiError('IMAGE_NOT_FOUND', 404)),
  )
  expect(await client.deleteImage('id', 'sha256:abc')).toEqual({ freedBytes: 0, heldBy: [] })
  expect(seen[0]).toMatchObject({ method: 'DELETE', ifMatch: '"sha256:abc"' })
})

test('a delete of what was never there is an error', async () => {
  const { client } = await withServer((_, response) => json(response, 404, apiError('IMAGE_NOT_FOUND', 404)))
  await expect(client.deleteImage('id', undefined)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
})

test('a server that never answered is told at once, with how to start one', async () => {
  const { client, server, url } = await withServer(() => {})
  await new Promise((closed) => server.close(closed))
  await expect(client.me()).rejects.toMatchObject({
    code: 'SERVER_UNREACHABLE',
    exitCode: 8,
    message: expect.stringContaining(url),
    hint: expect.stringContaining('imgctl serve'),
  })
})

test('an abort ends the call with its reason', async () => {
  const { client } = await withServer(() => {})
  const controller = new AbortController()
  const call = client.me(controller.signal)
  const reason = new Error('stop')
  setTimeout(() => controller.abort(reason), 20)
  await expect(call).rejects.toBe(reason)
})

test('no error shows the key', async () => {
  const { client } = await withServer((_, response) => response.writeHead(500).end('boom'))
  const error = (await client.me().catch((thrown: unknown) => thrown)) as Error
  expect(JSON.stringify(error) + error.stack + String(error.cause)).not.toContain(KEY)
})

/** Tokens that follow each other; each but the last is refused by the server. */
function bearerOf(...tokens: string[]) {
  const renewals: string[] = []
  let current = 0
  const bearer: Bearer = {
    token: async () => tokens[current]!,
    renew: async (refused) => {
      renewals.push(refused)
      current++
      return tokens[current]
    },
    expiresAt: undefined,
  }
  return { bearer, renewals }
}

const takesOnly = (token: string) => (request: IncomingMessage, response: ServerResponse) => {
  const isTaken = request.headers.authorization === `Bearer ${token}`
  json(response, isTaken ? 200 : 401, isTaken ? { id: '1' } : { code: 'AUTH_REQUIRED', message: 'no' })
}

test('a token that is refused is renewed once, and the call is sent again with its body', async () => {
  const { bearer, renewals } = bearerOf('old', 'new')
  const { client, seen } = await withServer(takesOnly('new'), { bearer })
  await client.createImage({ name: 'app:1' })
  expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer old', 'Bearer new'])
  expect(new Set(seen.map(({ body }) => body))).toEqual(new Set(['{"name":"app:1"}']))
  expect(renewals).toEqual(['old'])
})

test('a token that is refused again is an error, not a loop', async () => {
  const { bearer, renewals } = bearerOf('old', 'newer', 'newest')
  const { client, seen } = await withServer(takesOnly('none of these'), { bearer })
  await expect(client.me()).rejects.toMatchObject({ code: 'AUTH_REQUIRED', status: 401 })
  expect([seen.length, renewals]).toEqual([2, ['old']])
})

test('a key that is refused is not tried again', async () => {
  const { client, seen } = await withServer(takesOnly('another'))
  await expect(client.me()).rejects.toMatchObject({ code: 'AUTH_REQUIRED' })
  expect(seen).toHaveLength(1)
})

test('the organization goes along', async () => {
  const { client, seen } = await withServer((_, response) => json(response, 200, {}), {
    organization: 'team',
  })
  await client.me()
  expect(seen[0]?.organization).toBe('team')
})
