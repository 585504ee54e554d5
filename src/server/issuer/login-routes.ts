import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type Provider from 'oidc-provider'
import type { InteractionResults } from 'oidc-provider'
import {
  type Account,
  checkPassword,
  findAccount,
  findActiveAccount,
  normalizeLogin,
} from '../identity/accounts.ts'
import { clientAddress } from '../identity/client-address.ts'
import type { IssuerFacts } from '../identity/issuer.ts'
import { auditFailedLogin, auditLogin } from '../identity/login-audit.ts'
import { admit, bucketsOf, forgive } from '../identity/login-throttle.ts'
import { membershipsOf } from '../identity/memberships.ts'
import { csrfToken, isCsrfToken, knownDevice, rememberDevice } from './cookies.ts'
import { allowFormTarget, sendPage } from './headers.ts'
import type { Issuer } from './issuer.ts'
import { consentPage } from './pages/consent.ts'
import { errorPage } from './pages/error.ts'
import { loginPage } from './pages/login.ts'

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>

/** One login on its way: what the library knows of it, and the answer that is being made. */
interface Step {
  readonly issuer: Issuer
  readonly facts: IssuerFacts
  readonly provider: Provider
  readonly interaction: Interaction
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

const SECONDS_PER_MINUTE = 60
const MS_PER_SECOND = 1000

/** The pages of a login: who it is, and whether imgctl may act for them. One address, `/login/<id>`. */
export function loginRoutes(scope: FastifyInstance, issuer: Issuer): void {
  const config = { secretPath: true }
  scope.get('/login/:uid', { config }, async (request, reply) => {
    const step = await openStep(issuer, request, reply)
    const account = await accountOf(step)
    return account ? askConsent(step, account) : askLogin(step)
  })
  scope.post('/login/:uid', { config }, async (request, reply) => {
    const step = await openStep(issuer, request, reply)
    const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
    if (!isCsrfToken(issuer.ctx, step.interaction.uid, form.get('csrf') ?? undefined))
      return refuseForm(reply)
    switch (form.get('action')) {
      case 'deny':
        return finish(step, { error: 'access_denied', error_description: 'the login was cancelled' })
      case 'switch':
        return askLogin(step)
      case 'allow': {
        const account = await accountOf(step)
        return account ? allow(step, account) : askLogin(step)
      }
      default:
        return logIn(step, form.get('login') ?? '', form.get('password') ?? '')
    }
  })
}

/** @throws SessionNotFound of the library when the browser's cookie is of no login that is under way */
async function openStep(issuer: Issuer, request: FastifyRequest, reply: FastifyReply): Promise<Step> {
  const { facts } = issuer
  if (!facts) throw Object.assign(new Error('no login here'), { statusCode: 404 })
  const provider = await issuer.provider(facts)
  const interaction = await provider.interactionDetails(request.raw, reply.raw)
  const { redirect_uri: target } = interaction.params
  allowFormTarget(reply, typeof target === 'string' ? target : undefined)
  return { issuer, facts, provider, interaction, request, reply }
}

/** Who is asked for consent; undefined: nobody has logged in yet, or who did is disabled by now. */
async function accountOf({ issuer, interaction }: Step): Promise<Account | undefined> {
  const userId = interaction.session?.accountId
  if (interaction.prompt.name !== 'consent' || userId === undefined) return undefined
  return findActiveAccount(issuer.ctx, userId)
}

function askLogin(
  { issuer, facts, interaction, reply }: Step,
  again: { login?: string; problem?: string; status?: number } = {},
): FastifyReply {
  const { status = 200, ...typed } = again
  const csrf = csrfToken(issuer.ctx, interaction.uid)
  return sendPage(reply, loginPage({ host: hostOf(facts), csrf, ...typed }), status)
}

async function askConsent(
  { issuer, facts, interaction, reply }: Step,
  account: Account,
): Promise<FastifyReply> {
  const page = consentPage({
    host: hostOf(facts),
    csrf: csrfToken(issuer.ctx, interaction.uid),
    login: account.login,
    goesTo: interaction.params['redirect_uri'] === undefined ? 'another device' : 'this computer',
    memberships: await membershipsOf(issuer.ctx, account.userId),
  })
  return sendPage(reply, page)
}

/** A wrong password and an unknown user are one answer, after the same time. */
async function logIn(step: Step, login: string, password: string): Promise<FastifyReply> {
  const { ctx } = step.issuer
  const address = clientAddress(step.request)
  const known = await findAccount(ctx, login)
  const buckets = bucketsOf({
    login: normalizeLogin(login),
    address,
    device: knownDevice(ctx, step.request, known?.userId),
  })
  const waitSeconds = await admit(ctx, buckets)
  if (waitSeconds !== undefined) {
    ctx.log.warn({ address }, 'login refused: too many wrong passwords')
    step.reply.header('retry-after', String(waitSeconds))
    const minutes = Math.ceil(waitSeconds / SECONDS_PER_MINUTE)
    const wait = minutes === 1 ? 'a minute' : `${minutes} minutes`
    return askLogin(step, { login, status: 429, problem: `Too many wrong passwords. Try again in ${wait}.` })
  }
  const account = await checkPassword(ctx, login, password)
  if (!account) {
    ctx.log.warn({ address }, 'login refused: wrong user name or password')
    if (known) {
      step.reply.raw.once('close', () => {
        auditFailedLogin(ctx, known, { requestId: step.request.id, address }).catch((error) =>
          ctx.log.error({ err: error }, 'the audit log cannot be written'),
        )
      })
    }
    return askLogin(step, { login, status: 401, problem: 'The user name or the password is wrong.' })
  }
  await forgive(ctx, buckets)
  rememberDevice(ctx, step.reply, account.userId, step.facts.issuer.startsWith('https:'))
  await leaveOtherAccount(step, account.userId)
  ctx.log.info({ user: account.userId }, 'logged in')
  return finish(step, { login: { accountId: account.userId, amr: ['pwd'] } })
}

/**
 * The browser's session is another user's: it becomes nobody's, so that the new one can have it. The library would
 * log the other out with a page that needs a script.
 */
async function leaveOtherAccount({ provider, interaction }: Step, userId: string): Promise<void> {
  const { uid, accountId } = interaction.session ?? {}
  if (uid === undefined || accountId === userId) return
  const session = await provider.Session.findByUid(uid)
  if (!session) return
  Object.assign(session, {
    accountId: undefined,
    loginTs: undefined,
    amr: undefined,
    authorizations: undefined,
  })
  await session.persist()
  Object.assign(interaction.session ?? {}, { accountId: undefined })
  await interaction.save(interaction.exp - Math.floor(Date.now() / MS_PER_SECOND))
}

/** A grant of its own for every login: it can be ended without the others. */
async function allow(step: Step, account: Account): Promise<FastifyReply> {
  const { provider, facts, interaction, issuer, request } = step
  const grant = new provider.Grant({ accountId: account.userId, clientId: facts.clientId })
  const { scope } = interaction.params
  if (typeof scope === 'string') grant.addOIDCScope(scope)
  grant.addResourceScope(facts.audience, '')
  const grantId = await grant.save()
  await auditLogin(issuer.ctx, account, 'user.login', request)
  issuer.ctx.log.info({ user: account.userId }, 'a login was allowed')
  return finish(step, { consent: { grantId } })
}

async function finish({ provider, request, reply }: Step, result: InteractionResults): Promise<FastifyReply> {
  const mergeWithLastSubmission = !('error' in result)
  const next = await provider.interactionResult(request.raw, reply.raw, result, { mergeWithLastSubmission })
  return reply.redirect(next, 303)
}

function refuseForm(reply: FastifyReply): FastifyReply {
  const page = errorPage({
    title: 'The form was not accepted',
    message: 'It did not come from this page, or the page was too old.',
  })
  return sendPage(reply, page, 403)
}

function hostOf({ issuer }: IssuerFacts): string {
  return new URL(issuer).host
}
