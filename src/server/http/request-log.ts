import type { FastifyInstance } from 'fastify'
import { pathOf } from './error-reply.ts'

/** Log levels by how bad an answer is: a poll every second must not drown what matters. */
const SERVER_FAULT = 500

/**
 * Gives every answer its `X-Request-Id`, and writes one log line per request. The line has no header and no
 * query, so that no secret can be in it.
 */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })
  app.addHook('onResponse', async (request, reply) => {
    const line = {
      method: request.method,
      path: pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      address: request.ip,
      ...(request.principal
        ? { organization: request.principal.organizationSlug, key: request.principal.keyId }
        : {}),
    }
    if (reply.statusCode >= SERVER_FAULT) request.log.error(line, 'answered')
    else request.log.info(line, 'answered')
  })
}
