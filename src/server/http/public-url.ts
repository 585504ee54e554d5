import type { FastifyRequest } from 'fastify'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'

/** RFC 9110, section 7.2, without user info: a name or address and perhaps a port. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i
const MAX_HOST_LENGTH = 255

/**
 * How this client reaches the server, without a path: what the settings say, else what the request was sent to.
 *
 * @throws ImgctlError BAD_REQUEST when the Host header is missing or not a host
 */
export function publicUrlOf(
  ctx: Pick<ServerContext, 'settings'>,
  request: Pick<FastifyRequest, 'headers'>,
): string {
  const { publicUrl, tls } = ctx.settings
  if (publicUrl !== undefined) return new URL(publicUrl).origin
  const { host } = request.headers
  if (host === undefined || host.length > MAX_HOST_LENGTH || !HOST.test(host)) {
    throw new ImgctlError('BAD_REQUEST', 'the Host header is not a host')
  }
  return `${tls ? 'https' : 'http'}://${host.toLowerCase()}`
}

/** The host of references to this server's images, for this client: `host` or `host:port`. */
export function registryHostOf(
  ctx: Pick<ServerContext, 'settings'>,
  request: Pick<FastifyRequest, 'headers'>,
): string {
  return publicUrlOf(ctx, request).replace(/^https?:\/\//, '')
}
