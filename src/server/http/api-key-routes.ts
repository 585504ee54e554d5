import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { ApiKey, CreateApiKey, CreatedApiKey } from '../../contract/identity.ts'
import { Strict } from '../../contract/schema.ts'
import type { ServerContext } from '../context.ts'
import { createApiKey, currentApiKey, getApiKey, listApiKeys, revokeApiKey } from '../identity/api-keys.ts'
import { principalOf } from './authentication.ts'

const ByName = Strict({ name: Type.String({ minLength: 1 }) })

export function apiKeyRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/api-keys',
      { schema: { summary: "The user's API keys", response: { 200: Type.Array(ApiKey) } } },
      (request) => listApiKeys(ctx, principalOf(request)),
    )
    app.get(
      '/api-keys/current',
      { schema: { summary: 'The API key that asks', response: { 200: ApiKey } } },
      (request) => currentApiKey(ctx, principalOf(request)),
    )
    app.get(
      '/api-keys/:name',
      { schema: { summary: 'One API key', params: ByName, response: { 200: ApiKey } } },
      (request) => getApiKey(ctx, principalOf(request), request.params.name),
    )
    app.post(
      '/api-keys',
      {
        schema: {
          summary: 'Make an API key; its value is shown this one time',
          body: CreateApiKey,
          response: { 201: CreatedApiKey },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createApiKey(ctx, principalOf(request), request.body)),
    )
    app.delete(
      '/api-keys/:name',
      { schema: { summary: 'Revoke an API key', params: ByName, response: { 204: Type.Null() } } },
      async (request, reply) => {
        await ctx.reserve.use(() => revokeApiKey(ctx, principalOf(request), request.params.name))
        return reply.code(204).send(null)
      },
    )
  }
}
