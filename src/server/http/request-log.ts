import type { FastifyInstance } from 'fastify'
import { clientAddress } from '../identity/client-address.ts'
import type { Principal } from '../identity/principal.ts'
import { pathOf } from './error-reply.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The path has a secret in it: the log and error bodies get the route instead. */
    secretPath?: boolean
  }
}

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
      path: request.routeOptions.config.secretPath ? request.routeOptions.url : pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      address: clientAddress(request),
      ...(request.principal
        ? { organization: request.principal.organizationSlug, ...whoOf(request.principal) }
        : {}),
    }
    if (reply.statusCode >= SERVER_FAULT) request.log.error(line, 'answered')
    else request.log.info(line, 'answered')
  })
}

function whoOf({ keyId, userId }: Principal) {
  return keyId === null ? { user: userId } : { key: keyId }
}
