import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { Me, Organization } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import { describePrincipal, reachableOrganizations } from '../identity/me.ts'
import { principalOf } from './authentication.ts'

export function meRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/users/me',
      { schema: { summary: 'Who asks, and with which permissions', response: { 200: Me } } },
      (request) => describePrincipal(ctx, principalOf(request)),
    )
    app.get(
      '/organizations',
      {
        config: { anyOrganization: true },
        schema: { summary: 'The organizations one can reach', response: { 200: Type.Array(Organization) } },
      },
      (request) => reachableOrganizations(ctx, request.tokenLogin ?? principalOf(request)),
    )
  }
}
