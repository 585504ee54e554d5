import { afterAll, beforeAll, expect, it } from 'vitest'
import { Image } from '../../../src/contract/image.ts'
import { type OpenApp, openApp } from './open-app.ts'

interface Operation {
  readonly responses: Record<string, { content?: Record<string, { schema: Record<string, unknown> }> }>
  readonly security?: unknown[]
  readonly summary?: string
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Record<string, Record<string, unknown>> }
}

const image = {} as Image
let app: OpenApp
let text: string
let document: Document

beforeAll(async () => {
  app = await openApp({
    plugins: {
      api: [
        async (scope) => {
          scope.get(
            '/images/:id',
            { schema: { summary: 'one', response: { 200: Image } } },
            async () => image,
          )
          scope.patch(
            '/images/:id',
            { schema: { summary: 'change', response: { 200: Image } } },
            async () => image,
          )
        },
      ],
      registry: async (scope) => {
        scope.get('/v2/*', async () => null)
        scope.get('/api/registry/token', { schema: { summary: 'token' } }, async () => null)
      },
    },
  })
  const answer = await app.call('GET', '/api/openapi.json', { key: null })
  text = answer.text
  document = answer.as<Document>()
})
afterAll(() => app.close())

it('lists every route under /api and none of the registry protocol', () => {
  const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(document.openapi).toBe('3.1.0')
  expect(listed.sort()).toEqual([
    'delete /api/api-keys/{name}',
    'delete /api/docker-registry/{id}',
    'get /api/api-keys',
    'get /api/api-keys/current',
    'get /api/api-keys/{name}',
    'get /api/audit',
    'get /api/config',
    'get /api/docker-registry',
    'get /api/docker-registry/registry-push-access',
    'get /api/docker-registry/{id}',
    'get /api/health',
    'get /api/health/ready',
    'get /api/images/{id}',
    'get /api/organizations',
    'get /api/registry/token',
    'get /api/users/me',
    'patch /api/docker-registry/{id}',
    'patch /api/images/{id}',
    'post /api/api-keys',
    'post /api/docker-registry',
    'post /api/docker-registry/{id}/set-default',
  ])
})

it('writes each named schema once and refers to it', () => {
  expect(document.components.schemas['ApiError']).toMatchObject({
    type: 'object',
    required: expect.arrayContaining(['code']),
  })
  expect(document.components.schemas['Image']).toMatchObject({ type: 'object' })
  const schema =
    document.paths['/api/images/{id}']?.['get']?.responses['200']?.content?.['application/json']?.schema
  expect(schema).toEqual({ $ref: '#/components/schemas/Image' })
  expect(text).not.toContain('"$id"')
})

it('describes the error and the authentication of every route', () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses, summary, security }] of Object.entries(methods)) {
      if (path === '/api/registry/token') continue
      const where = `${method} ${path}`
      expect(responses['4XX']?.content?.['application/json']?.schema, where).toEqual({
        $ref: '#/components/schemas/ApiError',
      })
      expect(summary, where).toBeTruthy()
      const open = ['/api/config', '/api/health', '/api/health/ready'].includes(path)
      expect(security, where).toEqual(open ? [] : [{ apiKey: [] }])
    }
  }
})

it('resolves every reference within the document', () => {
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!)
  expect(references.length).toBeGreaterThan(10)
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...new Set(references)]))
})
