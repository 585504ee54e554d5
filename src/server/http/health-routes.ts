import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { sql } from 'kysely'
import Type from 'typebox'
import type { ServerContext } from '../context.ts'

const Health = Type.Object({ status: Type.Enum(['ok']) })

export function healthRoutes({ db }: ServerContext): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/health',
      {
        config: { public: true },
        schema: { summary: 'Whether the process answers', response: { 200: Health } },
      },
      async () => ({ status: 'ok' as const }),
    )
    app.get(
      '/health/ready',
      {
        config: { public: true },
        schema: { summary: 'Whether requests can be served', response: { 200: Health } },
      },
      async () => {
        await sql`SELECT 1`.execute(db)
        return { status: 'ok' as const }
      },
    )
  }
}
