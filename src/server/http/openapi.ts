import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { ApiError } from '../../contract/server.ts'
import type { ServerSettings } from '../context.ts'

/** Marks a schema that has a name. */
const NAME = 'x-schema-name'

/** Collects every route that is registered after it; `GET /api/openapi.json` writes them down. */
export async function describeApi(app: FastifyInstance, { version }: ServerSettings): Promise<void> {
  await app.register(swagger, {
    convertConstToEnum: false,
    transform: ({ schema, url }) => ({ schema: keepNames(schema) as FastifySchema, url }),
    openapi: {
      openapi: '3.1.0',
      info: { title: 'imgctl server', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'img_..., or a JWT',
            description:
              'An API key; or an access token of the issuer that /api/config names, for which the header X-Imgctl-Organization-ID chooses an organization by id or slug.',
          },
          basic: { type: 'http', scheme: 'basic' },
        },
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
    document ??= moveToComponents(app.swagger())
    return document
  })
}

/** Puts `$id`, which the generator drops, where it survives: under NAME. */
function keepNames(node: unknown): unknown {
  return mapObjects(node, ({ $id, ...rest }) => (typeof $id === 'string' ? { ...rest, [NAME]: $id } : rest))
}

/** Named schemas move to components: each is written once, and generated clients have its name. */
function moveToComponents(document: object): object {
  const schemas: Record<string, unknown> = {}
  const moved = mapObjects(document, ({ [NAME]: name, ...schema }) => {
    if (typeof name !== 'string') return schema
    schemas[name] = schema
    return { $ref: `#/components/schemas/${name}` }
  }) as { components?: object }
  return { ...moved, components: { ...moved.components, schemas } }
}

/** A copy of a JSON value in which `change` has been applied to every object, the innermost first. */
function mapObjects(
  node: unknown,
  change: (object: Record<string, unknown>) => Record<string, unknown>,
): unknown {
  if (Array.isArray(node)) return node.map((each) => mapObjects(each, change))
  if (typeof node !== 'object' || node === null) return node
  return change(
    Object.fromEntries(Object.entries(node).map(([key, value]) => [key, mapObjects(value, change)])),
  )
}
