import type { FastifyInstance } from 'fastify'
import type { ServerSettings } from '../context.ts'

/** A year, as https://hstspreload.org asks for at least. */
const HSTS = 'max-age=31536000'

/**
 * Nothing that this server sends is a page, whatever its bytes are: a browser must not run a layer or an error as one
 * (https://owasp.org/www-project-secure-headers/). A route that does serve pages replaces them.
 */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
}

/** On every answer; HSTS too when clients were told to come with https. */
export function sendSecurityHeaders(app: FastifyInstance, { publicUrl }: ServerSettings): void {
  const isHttps = publicUrl !== undefined && new URL(publicUrl).protocol === 'https:'
  const headers = isHttps ? { ...HEADERS, 'strict-transport-security': HSTS } : HEADERS
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(headers)
  })
}
