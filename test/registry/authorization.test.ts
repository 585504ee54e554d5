import { Agent } from 'undici'
import { expect, test } from 'vitest'
import type { Seen } from './faulty-registry.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { CHALLENGE, requireTokens } from './tokens.ts'

const blob = Buffer.from('a blob')
const digest = sha256(blob)
const credentials = { username: 'ann', password: 'p:äss' }
const BASIC = `Basic ${Buffer.from('ann:p:äss').toString('base64')}`

async function setup(withCredentials = true) {
  const registry = await faultyRegistry()
  registry.blobs.set(digest, blob)
  const { client, retried } = openClient()
  const location = withCredentials ? { ...registry.location, credentials } : registry.location
  return { registry, retried, repository: client.open(location) }
}

const refuse = (challenge: string) => (request: Seen) =>
  request.path === '/token'
    ? { answer: 200, body: '{"token":"t"}' }
    : { answer: 401, headers: { 'www-authenticate': challenge } }

test('a registry that asks for nothing gets no credentials', async () => {
  const { registry, repository } = await setup()
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
})

test('basic: the credentials go along from the first challenge on', async () => {
  const { registry, repository } = await setup()
  registry.fault = ({ headers }) =>
    headers.authorization === BASIC
      ? undefined
      : { answer: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, BASIC, BASIC])
})

test('bearer: one token for many requests at once, asked for with scope, service and credentials', async () => {
  const { registry, repository } = await setup()
  const tokens = requireTokens(registry)
  await repository.blobSize(digest)
  const sizes = await Promise.all(Array.from({ length: 5 }, () => repository.blobSize(digest)))
  expect(sizes).toEqual(Array(5).fill(blob.byteLength))
  expect(tokens).toMatchObject({ given: ['repository:team/app:pull'], authorizations: [BASIC] })
  const asked = registry.seen.find(({ path }) => path === '/token')
  expect(asked?.query.get('service')).toBe('faulty, the registry')
})

test('bearer without credentials asks for an anonymous token', async () => {
  const { registry, repository } = await setup(false)
  const tokens = requireTokens(registry)
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(tokens.authorizations).toEqual([undefined])
})

test('once something was written, reads use the token for writing', async () => {
  const { registry, repository } = await setup()
  const tokens = requireTokens(registry)
  await repository.writeManifest('1', 'application/json', Buffer.from('{}'))
  await repository.blobSize(digest)
  await repository.manifestDigest('1')
  expect(tokens.given).toEqual(['repository:team/app:pull,push'])
})

test('a token past 80 % of its life is replaced before it is refused', async () => {
  const { registry, repository } = await setup()
  const tokens = requireTokens(registry, 1)
  await repository.blobSize(digest)
  await new Promise((resolve) => setTimeout(resolve, 850))
  await repository.blobSize(digest)
  expect(tokens.given).toHaveLength(2)
  // The one before there was any token.
  const refused = registry.seen.filter(({ headers, path }) => path !== '/token' && !headers.authorization)
  expect(refused).toHaveLength(1)
})

test('a revoked token is replaced once, whoever notices', async () => {
  const { registry, repository } = await setup()
  const tokens = requireTokens(registry)
  await repository.blobSize(digest)
  tokens.revokeAll()
  await Promise.all([repository.blobSize(digest), repository.blobSize(digest), repository.blobSize(digest)])
  expect(tokens.given).toHaveLength(2)
})

test.each([
  ['401 after a new token', CHALLENGE, true, 'AUTH_REQUIRED'],
  ['401 without a challenge', () => '', true, 'AUTH_REQUIRED'],
  ['basic, and no credentials', () => 'Basic realm="x"', false, 'AUTH_REQUIRED'],
  ['basic, and they are wrong', () => 'Basic realm="x"', true, 'AUTH_REQUIRED'],
  [
    'known, but not allowed',
    (origin: string) => `${CHALLENGE(origin)},error="insufficient_scope"`,
    true,
    'FORBIDDEN',
  ],
  [
    'unknown, and not allowed',
    (origin: string) => `${CHALLENGE(origin)},error="insufficient_scope"`,
    false,
    'AUTH_REQUIRED',
  ],
])('%s', async (_, challenge, withCredentials, code) => {
  const { registry, retried, repository } = await setup(withCredentials)
  registry.fault = refuse(challenge(registry.origin))
  const error = await rejection(repository.blobSize(digest))
  expect(error).toMatchObject({ code, status: 401, hint: expect.stringMatching(/credentials/) })
  expect(String(error)).not.toContain(credentials.password)
  expect(retried).toEqual([])
  expect(registry.count('HEAD')).toBeLessThanOrEqual(2)
})

test.each([
  ['plain HTTP at another host', 'http://tokens.example.com/token'],
  ['no URL', 'token'],
  ['no HTTP', 'file:///etc/passwd'],
  ['credentials of its own', 'http://bob:secret@127.0.0.1/token'],
])('a token server with %s is not asked', async (_, realm) => {
  const { registry, repository } = await setup()
  registry.fault = refuse(`Bearer realm="${realm}"`)
  const error = await rejection(repository.blobSize(digest))
  expect(error).toMatchObject({ code: 'REGISTRY_ERROR' })
  expect(registry.count('GET', /token/)).toBe(0)
  expect(String(error)).not.toContain('secret')
})

test.each([
  ['no JSON', 'hello', 'REGISTRY_ERROR'],
  ['no token', '{}', 'REGISTRY_ERROR'],
  ['null', 'null', 'REGISTRY_ERROR'],
  ['a token with a line break', '{"token":"a\\r\\nx: y"}', 'REGISTRY_ERROR'],
  ['far too much', JSON.stringify({ token: 'x'.repeat(300_000) }), 'REGISTRY_ERROR'],
])('a token server that answers %s', async (_, body, code) => {
  const { registry, repository } = await setup()
  registry.fault = ({ path }) =>
    path === '/token'
      ? { answer: 200, body }
      : { answer: 401, headers: { 'www-authenticate': CHALLENGE(registry.origin) } }
  expect(await rejection(repository.blobSize(digest))).toMatchObject({ code })
})

test('a token server that is busy is asked again; one that refuses is not', async () => {
  const { registry, retried, repository } = await setup()
  requireTokens(registry)
  const working = registry.fault
  let busy = 2
  registry.fault = (request) => (request.path === '/token' && busy-- > 0 ? { answer: 503 } : working(request))
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(retried).toHaveLength(2)
  const closed = await setup()
  requireTokens(closed.registry)
  const inner = closed.registry.fault
  closed.registry.fault = (request) => (request.path === '/token' ? { answer: 403 } : inner(request))
  expect(await rejection(closed.repository.blobSize(digest))).toMatchObject({ code: 'FORBIDDEN' })
  expect(closed.retried).toEqual([])
})

test('`access_token` is a token, too', async () => {
  const { registry, repository } = await setup()
  registry.fault = ({ path, headers }) => {
    if (path === '/token') return { answer: 200, body: '{"access_token":"abc"}' }
    if (headers.authorization === 'Bearer abc') return undefined
    return { answer: 401, headers: { 'www-authenticate': CHALLENGE(registry.origin) } }
  }
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
})

test('a dispatcher that is handed in carries every request: tokens and redirects, too', async () => {
  const registry = await faultyRegistry()
  const storage = await faultyRegistry()
  storage.blobs.set(digest, blob)
  const carried: string[] = []
  const pool = new Agent()
  const dispatcher = pool.compose((dispatch) => (options, handler) => {
    carried.push(`${options.method} ${new URL(options.path, options.origin).pathname}`)
    return dispatch(options, handler)
  })
  const { client } = openClient({ dispatcher })
  requireTokens(registry)
  const guarded = registry.fault
  registry.fault = (request) => {
    const fault = guarded(request)
    if (fault || request.method !== 'GET') return fault
    return { answer: 307, headers: { location: `${storage.origin}/v2/x/blobs/${digest}` } }
  }
  const stream = await client
    .open({ ...registry.location, credentials })
    .readBlob({ digest, size: blob.byteLength })
  expect(Buffer.concat(await stream.toArray())).toEqual(blob)
  expect(carried).toEqual([
    `GET /v2/team/app/blobs/${digest}`,
    'GET /token',
    `GET /v2/team/app/blobs/${digest}`,
    `GET /v2/x/blobs/${digest}`,
  ])
  await pool.close()
})
