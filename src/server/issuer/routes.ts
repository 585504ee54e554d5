import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { isCode } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import { securityHeaders, sendPage } from './headers.ts'
import { Issuer } from './issuer.ts'
import { loginRoutes } from './login-routes.ts'
import { PREFILLED } from './pages/device.ts'
import { errorPage } from './pages/error.ts'
import { html } from './pages/html.ts'
import { STYLE } from './pages/style.ts'
import { setupRoutes } from './setup-routes.ts'

/** Login and setup forms: some short fields. */
const MAX_FORM_BYTES = 16 * 1024
const STYLE_SECONDS = 3600
const METHODS = ['GET', 'POST', 'OPTIONS'] as const

/**
 * The issuer and its pages, for `/oidc`. The protocol is the library's; the pages where people type are ours.
 * OpenID Connect Core 1.0, RFC 8628 (device), RFC 7009 (revocation), RFC 8252 (native apps).
 */
export function issuerRoutes(ctx: ServerContext): FastifyPluginAsync {
  const issuer = new Issuer(ctx)
  return async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.schema = { ...route.schema, hide: true }
    })
    scope.addHook('onRequest', async (_request, reply) => {
      reply.headers(securityHeaders())
    })
    scope.setErrorHandler(replyWithErrorPage)
    scope.get('/style.css', async (_request, reply) =>
      reply
        .header('cache-control', `public, max-age=${STYLE_SECONDS}`)
        .type('text/css; charset=utf-8')
        .send(STYLE),
    )
    await scope.register(async (pages) => {
      readForms(pages)
      loginRoutes(pages, issuer)
      setupRoutes(pages, issuer)
    })
    await scope.register(async (rest) => {
      // The library reads bodies by itself.
      rest.removeAllContentTypeParsers()
      rest.addContentTypeParser('*', (_request, _payload, done) => done(null))
      rest.route({
        method: [...METHODS],
        url: '/*',
        handler: (request, reply) => answerByLibrary(issuer, request, reply),
      })
    })
  }
}

async function answerByLibrary(
  issuer: Issuer,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { facts } = issuer
  if (!facts) return sendPage(reply, noLoginPage(), 404)
  const callback = (await issuer.provider(facts)).callback()
  const { raw } = request
  const { host, protocol, pathname } = new URL(facts.issuer)
  // The library makes its URLs from these: the settings decide, not what a client sent.
  Object.assign(raw.headers, { host, 'x-forwarded-host': host, 'x-forwarded-proto': protocol.slice(0, -1) })
  const url = raw.url ?? '/'
  Object.assign(raw, { originalUrl: url, ...withoutUserCode(url) })
  raw.url = (raw.url ?? '').slice(pathname.length)
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
  await callback(raw, reply.raw)
  return reply
}

/** The code in a device's link fills in the form; to send it at once would need a script. */
function withoutUserCode(url: string): { url: string; [PREFILLED]?: string } {
  const [path = '', query] = url.split('?', 2)
  if (!path.endsWith('/device') || query === undefined) return { url }
  const userCode = new URLSearchParams(query).get('user_code')
  return userCode === null ? { url } : { url: path, [PREFILLED]: userCode }
}

function readForms(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: MAX_FORM_BYTES },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  )
}

function noLoginPage(): string {
  return errorPage({
    title: 'No login here',
    message: 'This server does not know under which address browsers reach it.',
    next: html`<p>The person who runs it starts it with <code>--public-url</code>.</p>`,
  })
}

/** What a person is told, by what happened. */
function problemOf(error: Error & { statusCode?: number }, requestId: string) {
  if (error.name === 'SessionNotFound') {
    const message = 'It took too long, was finished already, or began in another browser.'
    return { status: 400, title: 'This login has ended', message }
  }
  if (isCode(error, 'RATE_LIMITED')) {
    return { status: 429, title: 'Too many requests', message: 'Wait a minute, then try again.' }
  }
  const { statusCode = 500 } = error
  if (statusCode < 500) {
    return { status: statusCode, title: 'That did not work', message: 'What was sent cannot be read.' }
  }
  return { status: 500, title: 'The server failed', message: `Its log has the cause, under ${requestId}.` }
}

function replyWithErrorPage(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, ...problem } = problemOf(error, request.id)
  if (status >= 500) request.log.error({ err: error }, 'request failed')
  if (isCode(error, 'RATE_LIMITED') && error.retryAfter !== undefined) {
    reply.header('retry-after', String(error.retryAfter))
  }
  if (!wantsPage(request)) {
    // RFC 6749, section 5.2, and 4.1.2.1 for the codes: what a program at the token endpoint reads.
    const code =
      status < 429 ? 'invalid_request' : status === 429 ? 'temporarily_unavailable' : 'server_error'
    return reply.code(status).send({ error: code, error_description: problem.message })
  }
  return sendPage(reply, errorPage(problem), status)
}

function wantsPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') ?? false
}
