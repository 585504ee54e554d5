import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditPage, ListAuditQuery } from '../../contract/audit.ts'
import type { ServerContext } from '../context.ts'
import { listAudit } from '../identity/audit-log.ts'
import { principalOf } from './authentication.ts'

export function auditRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/audit',
      {
        config: { permission: 'admin' },
        schema: {
          summary: 'Who changed what, newest first',
          querystring: ListAuditQuery,
          response: { 200: AuditPage },
        },
      },
      (request) => listAudit(ctx, principalOf(request), request.query),
    )
  }
}
