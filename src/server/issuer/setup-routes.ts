import type { FastifyInstance, FastifyReply } from 'fastify'
import { type Account, passwordProblem } from '../identity/accounts.ts'
import { countApiKeys } from '../identity/api-keys.ts'
import { ISSUER_PATH, type IssuerFacts } from '../identity/issuer.ts'
import { auditLogin } from '../identity/login-audit.ts'
import { accountOfSetupToken, SETUP_LINK_MS, useSetupToken } from '../identity/setup-links.ts'
import { csrfToken, isCsrfToken, readCookie, rememberDevice, setCookie } from './cookies.ts'
import { sendPage } from './headers.ts'
import type { Issuer } from './issuer.ts'
import { setupDonePage, setupGonePage, setupPage } from './pages/setup.ts'

const COOKIE = 'imgctl_setup'
const PATH = `${ISSUER_PATH}/setup`
const MS_PER_SECOND = 1000
const GONE = 410

/**
 * The one-time link that sets a password. Opening it uses nothing up: a chat that looks at links must not. Its
 * token leaves the address for a cookie at once, so that it is in no history and no log.
 */
export function setupRoutes(scope: FastifyInstance, issuer: Issuer): void {
  const { ctx } = issuer
  scope.get('/setup/:token', { config: { secretPath: true } }, async (request, reply) => {
    const { token } = request.params as { token: string }
    if (!/^[\w-]+$/.test(token) || !issuer.facts) return gone(reply)
    keepToken(reply, token, issuer.facts)
    return reply.redirect(PATH, 303)
  })
  // What a chat or a person made of the link: its token must not get into the log either.
  scope.all('/setup/*', { config: { secretPath: true } }, async (_request, reply) => gone(reply))
  scope.get('/setup', async (request, reply) => {
    const token = readCookie(request, COOKIE) ?? ''
    const account = await accountOfSetupToken(ctx, token)
    return account && issuer.facts ? ask(issuer.facts, reply, account, token) : gone(reply)
  })
  scope.post('/setup', async (request, reply) => {
    const { facts } = issuer
    const token = readCookie(request, COOKIE) ?? ''
    const account = await accountOfSetupToken(ctx, token)
    if (!account || !facts) return gone(reply)
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
    if (!isCsrfToken(ctx, token, form.get('csrf') ?? undefined)) {
      return ask(facts, reply, account, token, 'The page was too old. Type the password again.', 403)
    }
    const password = form.get('password') ?? ''
    const problem = problemOf(password, form.get('repeat') ?? '')
    if (problem) return ask(facts, reply, account, token, problem, 422)
    if (!(await useSetupToken(ctx, token, password))) return gone(reply)
    await auditLogin(ctx, account, 'user.password', request)
    ctx.log.info({ user: account.userId }, 'a password was set')
    rememberDevice(ctx, reply, account.userId, isHttps(facts))
    // Who chooses the first password has no reason to doubt the keys.
    const apiKeys = account.passwordHash === null ? 0 : await countApiKeys(ctx, account.userId)
    return sendPage(reply, setupDonePage(account.login, new URL(facts.issuer).origin, apiKeys))
  })

  function ask(
    facts: IssuerFacts,
    reply: FastifyReply,
    { login }: Account,
    token: string,
    problem?: string,
    status = 200,
  ): FastifyReply {
    const page = { host: new URL(facts.issuer).host, csrf: csrfToken(ctx, token), login, problem }
    return sendPage(reply, setupPage(page), status)
  }
}

function problemOf(password: string, repeat: string): string | undefined {
  const problem = passwordProblem(password)
  if (problem) return `${problem[0]!.toUpperCase()}${problem.slice(1)}.`
  return password === repeat ? undefined : 'The two are not the same.'
}

function keepToken(reply: FastifyReply, token: string, facts: IssuerFacts): void {
  const maxAgeSeconds = SETUP_LINK_MS / MS_PER_SECOND
  setCookie(reply, COOKIE, token, { path: PATH, maxAgeSeconds, secure: isHttps(facts) })
}

function gone(reply: FastifyReply): FastifyReply {
  return sendPage(reply, setupGonePage(), GONE)
}

function isHttps({ issuer }: IssuerFacts): boolean {
  return issuer.startsWith('https:')
}
