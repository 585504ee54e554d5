import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiError, ServerConfig } from '../../../src/contract/server.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import { type OpenApp, openApp } from './open-app.ts'

const SECRET_QUERY = 'token=do-not-log-me'
let app: OpenApp

beforeAll(async () => {
  app = await openApp({
    plugins: {
      api: [
        async (scope) => {
          scope.get('/fails/unexpectedly', async () => {
            throw new Error('password=hunter2 in the text')
          })
          scope.get('/fails/disk', async () => {
            const cause = Object.assign(new Error('write'), { code: 'ENOSPC' })
            throw new Error('could not store', { cause })
          })
          scope.get('/fails/conflict', async () => {
            throw new ImgctlError('NAME_TAKEN', 'app:1.0 is taken', { hint: 'choose another name' })
          })
        },
      ],
    },
  })
})
afterAll(() => app.close())

describe('public routes', () => {
  it.each(['/api/health', '/api/health/ready'])('answers %s without a key', async (path) => {
    const answer = await app.call('GET', path, { key: null })
    expect(answer.as()).toMatchObject({ status: 'ok' })
    expect(answer.status).toBe(200)
  })

  it('tells a client where the registry is', async () => {
    const answer = await app.call('GET', '/api/config', { key: null })
    expect(answer.as<ServerConfig>()).toMatchObject({
      name: 'imgctl',
      registry: { host: new URL(app.url).host, secure: false },
      oidc: { issuer: `${app.url}/oidc`, clientId: 'imgctl', audience: `${app.url}/api` },
      platforms: ['linux/amd64'],
      builder: false,
    })
  })

  it('counts in the Prometheus format', async () => {
    await app.call('GET', '/api/health')
    const { text, headers } = await app.call('GET', '/metrics', { key: null })
    expect(headers.get('content-type')).toContain('version=0.0.4')
    expect(text).toMatch(/imgctl_http_requests_total\{method="GET",route="\/api\/health",status="200"\} \d+/)
    expect(text).toContain('imgctl_images{state="active"} 0')
    expect(text).toMatch(/process_resident_memory_bytes \d{6,}/)
    const sample = /^[a-z0-9_]+(?:\{[^}]*\})? [\d.e+-]+$/
    const bad = text.split('\n').filter((line) => line && !line.startsWith('# ') && !sample.test(line))
    expect(bad).toEqual([])
  })
})

describe('refusals', () => {
  it.each([
    ['no key', { key: null }],
    ['an unknown key', { key: `img_${'A'.repeat(43)}` }],
    ['another shape', { key: 'secret' }],
    ['another scheme', { key: null, headers: { authorization: 'Basic YTpi' } }],
  ])('is 401 with a challenge for %s', async (_, options) => {
    const answer = await app.call('GET', '/api/users/me', options)
    expect(answer.as<ApiError>()).toMatchObject({ statusCode: 401, code: 'AUTH_REQUIRED' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="imgctl"')
  })

  it('has one body for all errors, with the request id', async () => {
    const answer = await app.call('GET', `/api/fails/conflict?${SECRET_QUERY}`)
    const error = answer.as<ApiError>()
    expect(error).toEqual({
      statusCode: 409,
      code: 'NAME_TAKEN',
      error: 'Conflict',
      message: 'app:1.0 is taken',
      hint: 'choose another name',
      requestId: answer.headers.get('x-request-id'),
      path: '/api/fails/conflict',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    })
  })

  it.each(['/api/nothing', '/nothing', '/api/images%2f..%2f', '/api/<script>'])(
    'is a JSON 404 for %s',
    async (path) => {
      const answer = await app.call('GET', path, { key: null })
      expect(answer.headers.get('content-type')).toContain('application/json')
      expect(answer.as<ApiError>()).toMatchObject({ statusCode: 404, code: 'NOT_FOUND' })
    },
  )

  it('is JSON for a path that cannot be decoded', async () => {
    const answer = await app.call('GET', '/api/%zz')
    expect(answer.as<ApiError>()).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' })
  })

  it('never shows the text of an unexpected error, and logs it under the request id', async () => {
    const answer = await app.call('GET', '/api/fails/unexpectedly')
    expect(answer.as<ApiError>()).toMatchObject({
      statusCode: 500,
      code: 'INTERNAL',
      message: 'the server failed',
    })
    expect(answer.text).not.toContain('hunter2')
    const line = app
      .logText()
      .split('\n')
      .find((each) => each.includes('hunter2'))
    expect(line).toContain(answer.headers.get('x-request-id'))
  })

  it('tells a full disk wherever it was met', async () => {
    const answer = await app.call('GET', '/api/fails/disk')
    expect(answer.as<ApiError>()).toMatchObject({ statusCode: 507, code: 'DISK_FULL' })
  })
})

describe('the log', () => {
  it('has a line per request, and neither the key nor a query value', async () => {
    const answer = await app.call('GET', `/api/users/me?${SECRET_QUERY}`)
    const id = answer.headers.get('x-request-id')!
    await expect
      .poll(() =>
        app
          .logText()
          .split('\n')
          .some((line) => line.includes(id)),
      )
      .toBe(true)
    expect(app.logText()).not.toContain('do-not-log-me')
    expect(app.logText()).not.toContain(app.key)
  })

  it('takes no request id from outside', async () => {
    const answer = await app.call('GET', '/api/health', { headers: { 'x-request-id': 'forged' } })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

const tokenRoute: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get('/api/registry/token', async () => ({}))
  scope.get('/v2/*', async () => ({}))
}

describe('rate limits', () => {
  it('counts each key by itself and says when to come again', async () => {
    const limits = { imageBytes: 1, imagesPerOrganization: 1, requestsPerMinute: { key: 3, address: 100 } }
    const small = await openApp({ settings: { limits } })
    const statuses: number[] = []
    for (let each = 0; each < 4; each++) statuses.push((await small.call('GET', '/api/users/me')).status)
    const refused = await small.call('GET', '/api/users/me')
    const open = await small.call('GET', '/api/health')
    await small.close()
    expect(statuses).toEqual([200, 200, 200, 429])
    expect(refused.as<ApiError>()).toMatchObject({ statusCode: 429, code: 'RATE_LIMITED' })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(open.status).toBe(200)
  })

  it('counts an address with and without a key, for tokens too, but not for /v2', async () => {
    const limits = { imageBytes: 1, imagesPerOrganization: 1, requestsPerMinute: { key: 100, address: 2 } }
    const small = await openApp({ settings: { limits }, plugins: { registry: tokenRoute } })
    const statuses: number[] = []
    for (const path of [
      '/api/users/me',
      '/api/registry/token',
      '/api/health',
      '/api/registry/token',
      '/v2/x',
    ]) {
      statuses.push((await small.call('GET', path, { key: null })).status)
    }
    await small.close()
    expect(statuses).toEqual([401, 200, 429, 429, 200])
  })
})
