import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendRefusal } from './refused-body.ts'
import { RegistryError, toRegistryError } from './registry-error.ts'

/** Whether a request is for the registry, whose clients understand only its own form of errors. */
export function isRegistryUrl(url: string): boolean {
  return /^\/v2(?:[/?]|$)/.test(url)
}

/**
 * Answers an error in the protocol's own form. What is no expected error is logged, and told without its text.
 * A body that is refused with it is not read to its end: the connection closes instead.
 */
export function replyAsRegistry(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toRegistryError(error) ?? fromFastify(error)
  // A client that went away is no defect, and hears no answer.
  const isGone = request.raw.destroyed && !request.raw.complete
  if (!known && !isGone) request.log.error({ err: error }, 'registry request failed')
  const answer = known ?? new RegistryError(500, 'UNKNOWN', `internal error; request id ${request.id}`)
  reply.removeHeader('content-length').removeHeader('content-range').removeHeader('etag')
  reply.code(answer.status).headers(answer.headers).header('content-type', 'application/json; charset=utf-8')
  return sendRefusal(request, reply, JSON.stringify(answer.toBody()))
}

/** A request that Fastify itself refused. */
function fromFastify(error: unknown): RegistryError | undefined {
  const { statusCode } = error as { statusCode?: unknown }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined
  const code = statusCode === 429 ? 'TOOMANYREQUESTS' : 'UNSUPPORTED'
  return new RegistryError(statusCode, code, (error as Error).message)
}
