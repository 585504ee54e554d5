import type { FastifyRequest } from 'fastify'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'

/** RFC 9110, section 7.2, without user info: a name or address and perhaps a port. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i
const MAX_HOST_LENGTH = 255

/** What tells how a client reaches the server; of the forwarded headers only what a trusted proxy set. */
export type ReachedRequest = Pick<FastifyRequest, 'headers' | 'protocol'>

/**
 * How this client reaches the server, without a path: what the settings say, else what the request was sent to,
 * with the scheme that a trusted proxy in front was spoken to with. It is safe to put into a header.
 *
 * @throws ImgctlError BAD_REQUEST when the Host header is missing or not a host
 */
export function publicUrlOf(ctx: Pick<ServerContext, 'settings'>, request: ReachedRequest): string {
  const { publicUrl, tls } = ctx.settings
  if (publicUrl !== undefined) return new URL(publicUrl).origin
  const { host } = request.headers
  if (host === undefined || host.length > MAX_HOST_LENGTH || !HOST.test(host)) {
    throw new ImgctlError('BAD_REQUEST', 'the Host header is not a host')
  }
  return `${schemeOf(request) ?? (tls ? 'https' : 'http')}://${host.toLowerCase()}`
}

/** X-Forwarded-Proto is free text, even when a trusted proxy passes it on. */
function schemeOf({ protocol }: ReachedRequest): 'http' | 'https' | undefined {
  return protocol === 'http' || protocol === 'https' ? protocol : undefined
}

/** The host of references to this server's images, for this client: `host` or `host:port`. */
export function registryHostOf(ctx: Pick<ServerContext, 'settings'>, request: ReachedRequest): string {
  return publicUrlOf(ctx, request).replace(/^https?:\/\//, '')
}
