import type { FastifyReply } from 'fastify'

/**
 * What every answer of the issuer has: nothing is kept, framed, run or loaded from elsewhere.
 *
 * @param formTargets where a form may lead besides this server: browsers check its redirects too
 */
export function securityHeaders(formTargets: readonly string[] = []): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'none'",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return {
    'cache-control': 'no-store',
    'content-security-policy': policy.join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  }
}

/** Lets the page's form lead to `target`, besides this server. */
export function allowFormTarget(reply: FastifyReply, target: string | undefined): void {
  if (target === undefined) return
  reply.headers(securityHeaders([new URL(target).origin]))
}

export function sendPage(reply: FastifyReply, page: string, status = 200): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(page)
}
