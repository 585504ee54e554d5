import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { ApiError } from '../../contract/server.ts'
import type { ServerSettings } from '../context.ts'

/** Collects every route that is registered after it; `GET /api/openapi.json` writes them down. */
export async function describeApi(app: FastifyInstance, { version }: ServerSettings): Promise<void> {
  await app.register(swagger, {
    convertConstToEnum: false,
    openapi: {
      openapi: '3.1.0',
      info: { title: 'imgctl server', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      components: {
        securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'img_...' } },
      },
    },
  })
}

/** Adds to each route of `app` what all have in common: the error body and who may call. */
export function describeErrors(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { schema = {}, config } = route
    const responses = typeof schema.response === 'object' ? schema.response : {}
    const { permission } = config ?? {}
    route.schema = {
      ...schema,
      ...(permission ? { description: `${schema.description ?? ''}\n\nNeeds ${permission}.`.trim() } : {}),
      security: config?.public ? [] : [{ apiKey: [] }],
      response: { ...responses, '4xx': ApiError, '5xx': ApiError },
    }
  })
}

export function serveOpenApi(app: FastifyInstance): void {
  let document: unknown
  app.get('/openapi.json', { config: { public: true }, schema: { hide: true } }, async () => {
    document ??= nameSchemas(app.swagger())
    return document
  })
}

/** Schemas with an `$id` move to components, so that each is written once and generated clients have its name. */
function nameSchemas(document: object): unknown {
  const schemas: Record<string, unknown> = {}
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null) return node
    const { $id, ...rest } = node as Record<string, unknown>
    const walked = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, walk(value)]))
    if (typeof $id !== 'string') return walked
    schemas[$id] = walked
    return { $ref: `#/components/schemas/${$id}` }
  }
  const walked = walk(document) as { components?: object }
  return { ...walked, components: { ...walked.components, schemas } }
}
