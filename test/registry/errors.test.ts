import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { MAX_RETRY_AFTER_SECONDS } from '../../src/internal/retry.ts'
import { registryHost } from '../../src/registry/registry-host.ts'
import { transportError } from '../../src/registry/transport-error.ts'
import { type Fault, sha256, times } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'

const digest = sha256(Buffer.from('x'))

async function failed(fault: Fault) {
  const registry = await faultyRegistry()
  registry.fault = () => fault
  const { client } = openClient({ retry: { attempts: 1 } })
  const error = await rejection(client.open(registry.location).readManifest('1.0'))
  return { error, text: String(error), registry }
}

test('an error names the registry, the status, what it says, the method and the URL', async () => {
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'not yours' }] })
  const { error, text, registry } = await failed({
    answer: 403,
    body,
    headers: { 'x-request-id': 'r-1' },
  })
  expect(error).toMatchObject({ code: 'FORBIDDEN', status: 403, requestId: 'r-1', retryable: false })
  expect(text).toBe(
    `ImgctlError: registry ${registry.location.host} answered 403 Forbidden: DENIED: not yours` +
      ` (GET ${registry.origin}/v2/team/app/manifests/1.0)`,
  )
})

test('a page becomes one line', async () => {
  const { text } = await failed({ answer: 502, body: '<!DOCTYPE html>\n<html><body>nginx</body></html>' })
  expect(text).toContain('answered with an HTML page (502 Bad Gateway)')
  expect(text).not.toContain('nginx')
})

test('what a registry says is one short line without control characters', async () => {
  const message = `evil\x1b[2J\n${'x'.repeat(5000)}`
  const { text } = await failed({ answer: 400, body: JSON.stringify({ errors: [{ code: 'X', message }] }) })
  expect(text).toContain('evil\\x1b[2J x')
  expect(text.length).toBeLessThan(600)
})

test.each([
  ['text', 'no way', ': no way ('],
  ['nothing', '', 'Bad Request ('],
  ['JSON of another kind', '{"error":"x"}', '{"error":"x"}'],
  ['errors that are none', '{"errors":[null]}', 'null'],
])('an error body with %s', async (_, body, expected) => {
  expect((await failed({ answer: 400, body })).text).toContain(expected)
})

test.each([
  [401, 'AUTH_REQUIRED', false],
  [403, 'FORBIDDEN', false],
  [404, 'IMAGE_NOT_FOUND', false],
  [409, 'CONFLICT', false],
  [413, 'TOO_LARGE', false],
  [429, 'RATE_LIMITED', true],
  [500, 'REGISTRY_ERROR', true],
  [503, 'REGISTRY_ERROR', true],
  [505, 'REGISTRY_ERROR', false],
  [507, 'DISK_FULL', false],
  [204, 'REGISTRY_ERROR', false],
  [302, 'REGISTRY_ERROR', false],
])('%i is %s', async (answer, code, retryable) => {
  expect((await failed({ answer })).error).toMatchObject({ code, retryable, status: answer })
})

test('`Retry-After` is honoured as seconds', async () => {
  const registry = await faultyRegistry()
  const waits: number[] = []
  registry.fault = times(1, () => ({ answer: 429, headers: { 'retry-after': '0' } }))
  const { client } = openClient({
    retry: { baseMs: 60_000, maxMs: 60_000 },
    onRetry: (_error, _attempt, waitMs) => waits.push(waitMs),
  })
  expect(await client.open(registry.location).blobSize(digest)).toBeUndefined()
  expect(waits).toEqual([0])
})

test.each([
  ['seconds', () => String(MAX_RETRY_AFTER_SECONDS + 1)],
  ['a date', () => new Date(Date.now() + (MAX_RETRY_AFTER_SECONDS + 10) * 1000).toUTCString()],
])('a wait that is too long (%s) is for the user to decide', async (_, value) => {
  const registry = await faultyRegistry()
  registry.fault = () => ({ answer: 429, headers: { 'retry-after': value() } })
  const { client, retried } = openClient()
  const error = await rejection(client.open(registry.location).blobSize(digest))
  expect(error).toMatchObject({ code: 'RATE_LIMITED', retryAfter: expect.any(Number) })
  expect(retried).toEqual([])
})

test('nobody listens', async () => {
  const registry = await faultyRegistry()
  await registry.close()
  const { client, retried } = openClient()
  const error = await rejection(client.open(registry.location).blobSize(digest))
  expect(error).toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
    message: expect.stringMatching(/connection refused \(HEAD http:/),
    hint: expect.stringContaining('imgctl doctor'),
  })
  expect(retried).toHaveLength(4)
})

test('something that speaks no HTTP', async () => {
  const server = createServer((socket) => socket.resume().end('SSH-2.0-OpenSSH_9\r\n')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { client, retried } = openClient()
  const open = (secure: boolean) => client.open({ host: `127.0.0.1:${port}`, secure, repository: 'a' })
  for (const secure of [false, true]) {
    const error = await rejection(open(secure).blobSize(digest))
    expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', hint: expect.stringMatching(/HTTP/) })
  }
  expect(retried).toEqual([])
  await new Promise((resolve) => server.close(resolve))
})

test.each<[string, RegExp, boolean]>([
  ['ENOTFOUND', /host name not found/, true],
  ['ECONNRESET', /the connection was closed/, true],
  ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', /the connection failed \(ERR_SSL/, true],
  ['UND_ERR_CONNECT_TIMEOUT', /no connection in time/, true],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /its certificate is not trusted/, false],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /its certificate is not trusted/, false],
  ['CERT_HAS_EXPIRED', /its certificate is not valid/, false],
  ['ERR_TLS_CERT_ALTNAME_INVALID', /its certificate is not valid/, false],
  ['ESOMETHING', /the connection failed \(ESOMETHING\)/, true],
])('%s in plain words', (code, message, retryable) => {
  const request = { method: 'GET', url: new URL('https://r.example.com/v2/?token=secret') }
  const cause = Object.assign(new Error('low'), { code })
  for (const thrown of [cause, new AggregateError([cause]), new Error('high', { cause })]) {
    const error = transportError(request, thrown)
    expect(error).toMatchObject({ code: 'REGISTRY_UNREACHABLE', retryable })
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('secret')
  }
})

test.each([
  ['docker.io', 'registry-1.docker.io'],
  ['index.docker.io', 'registry-1.docker.io'],
  ['ghcr.io', 'ghcr.io'],
  ['127.0.0.1:5000', '127.0.0.1:5000'],
])('%s is served by %s', (domain, host) => {
  expect(registryHost(domain)).toBe(host)
})

test.each([
  ['example.com', '../other'],
  ['example.com', 'A/b'],
  ['example.com', ''],
  ['exa mple', 'a'],
])('%s/%s is not a repository', (host, repository) => {
  const { client } = openClient()
  expect(() => client.open({ host, secure: true, repository })).toThrow(/is not a repository/)
})
