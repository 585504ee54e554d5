import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { ServerContext } from '../context.ts'
import { readinessProbe } from './readiness.ts'

const UNAVAILABLE = 503
const Health = Type.Object({ status: Type.Enum(['ok']) })
const Ready = Type.Object({
  status: Type.Enum(['ok', 'unavailable']),
  database: Type.Enum(['ok', 'failed']),
  disk: Type.Enum(['ok', 'full', 'failed'], {
    description: 'full: what is here is served, and nothing new is taken',
  }),
})

export function healthRoutes(ctx: ServerContext): FastifyPluginAsyncTypebox {
  const readiness = readinessProbe(ctx)
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
        schema: { summary: 'Whether requests can be served', response: { 200: Ready, 503: Ready } },
      },
      async (_request, reply) => {
        const { ready, database, disk } = await readiness()
        const status = ready ? ('ok' as const) : ('unavailable' as const)
        return reply.code(ready ? 200 : UNAVAILABLE).send({ status, database, disk })
      },
    )
  }
}
