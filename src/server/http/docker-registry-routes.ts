import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { CreateDockerRegistry, DockerRegistry, UpdateDockerRegistry } from '../../contract/docker-registry.ts'
import { PushAccess } from '../../contract/identity.ts'
import { Strict } from '../../contract/schema.ts'
import type { ServerContext } from '../context.ts'
import { registryHostOf } from '../identity/public-url.ts'
import { issuePushAccess } from '../identity/push-access.ts'
import {
  createRegistry,
  deleteRegistry,
  getRegistry,
  listRegistries,
  setDefaultRegistry,
  updateRegistry,
} from '../identity/registry-credentials.ts'
import { principalOf } from './authentication.ts'

const ById = Strict({ id: Type.String({ minLength: 1 }) })
const PushAccessQuery = Strict({
  repository: Type.Optional(
    Type.String({ minLength: 1, description: 'without the organization: narrows the access to this one' }),
  ),
})
const READ = { permission: 'read:registries' } as const
const WRITE = { permission: 'write:registries' } as const
const DELETE = { permission: 'delete:registries' } as const

/** The registries that the server may pull from, and access to the one that it is. */
export function dockerRegistryRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/docker-registry/registry-push-access',
      {
        config: { permission: 'write:images' },
        schema: {
          summary: 'Registry credentials for one hour',
          querystring: PushAccessQuery,
          response: { 200: PushAccess },
        },
      },
      (request) =>
        issuePushAccess(ctx, principalOf(request), request.query.repository, registryHostOf(ctx, request)),
    )
    app.get(
      '/docker-registry',
      {
        config: READ,
        schema: { summary: 'The registries', response: { 200: Type.Array(DockerRegistry) } },
      },
      (request) => listRegistries(ctx, principalOf(request)),
    )
    app.get(
      '/docker-registry/:id',
      {
        config: READ,
        schema: { summary: 'One registry', params: ById, response: { 200: DockerRegistry } },
      },
      (request) => getRegistry(ctx, principalOf(request), request.params.id),
    )
    app.post(
      '/docker-registry',
      {
        config: WRITE,
        schema: {
          summary: 'Add a registry; its password is never sent out',
          body: CreateDockerRegistry,
          response: { 201: DockerRegistry },
        },
      },
      async (request, reply) =>
        reply.code(201).send(await createRegistry(ctx, principalOf(request), request.body)),
    )
    app.patch(
      '/docker-registry/:id',
      {
        config: WRITE,
        schema: {
          summary: 'Change a registry; a new url needs the password again',
          params: ById,
          body: UpdateDockerRegistry,
          response: { 200: DockerRegistry },
        },
      },
      (request) => updateRegistry(ctx, principalOf(request), request.params.id, request.body),
    )
    app.post(
      '/docker-registry/:id/set-default',
      {
        config: WRITE,
        schema: {
          summary:
            'Mark it as the default, for clients that look at the mark; the server goes by the host alone',
          params: ById,
          response: { 200: DockerRegistry },
        },
      },
      (request) => setDefaultRegistry(ctx, principalOf(request), request.params.id),
    )
    app.delete(
      '/docker-registry/:id',
      {
        config: DELETE,
        schema: { summary: 'Remove a registry', params: ById, response: { 204: Type.Null() } },
      },
      async (request, reply) => {
        await ctx.reserve.use(() => deleteRegistry(ctx, principalOf(request), request.params.id))
        return reply.code(204).send(null)
      },
    )
  }
}
