import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { challenge } from './access.ts'
import {
  ACTIONS,
  type Action,
  ANONYMOUS,
  basicCredentials,
  CATALOG_SCOPE,
  type Caller,
  callerOfSecret,
  couldDo,
  couldList,
  type Grant,
  issueToken,
  TOKEN_SECONDS,
} from './caller.ts'
import { findPublicRepository } from './public-view.ts'
import { RegistryError } from './registry-error.ts'
import { type RepositoryName, tryRepositoryName } from './target.ts'
import { GET_TOKEN, POST_TOKEN } from './token-schema.ts'

export const TOKEN_PATH = '/api/registry/token'
/** A form with credentials and some scopes. */
const MAX_FORM_BYTES = 64 * 1024
/** A client asks for the repositories of one operation. */
const MAX_SCOPES = 100

/**
 * Docker token authentication: GET with Basic credentials or none, and the OAuth2 form as POST.
 * https://distribution.github.io/distribution/spec/auth/token/ and .../auth/oauth/
 */
export function tokenRoutes(app: FastifyInstance, ctx: ServerContext): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: MAX_FORM_BYTES },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  )
  // The schemas describe: what is refused, and how, is the protocol's matter and below.
  const validatorCompiler = () => () => true
  app.get(TOKEN_PATH, { schema: GET_TOKEN, validatorCompiler }, async (request, reply) => {
    const query = new URL(request.url, 'http://server').searchParams
    const caller = await callerOfBasic(ctx, request)
    return answer(ctx, reply, caller, query.getAll('scope'), {})
  })
  app.post(TOKEN_PATH, { schema: POST_TOKEN, validatorCompiler }, async (request, reply) => {
    if (!(request.body instanceof URLSearchParams)) throw invalid('the body is not a form')
    const form = request.body
    const secret = secretOfForm(form)
    const caller = secret && (await callerOfSecret(ctx, secret, form.get('username') ?? undefined))
    if (!caller) throw challenge(ctx, request, [])
    // What was shown is itself the refresh token: nothing else to store, and it is dead when the key is.
    const refresh = form.get('access_type') === 'offline' ? { refresh_token: secret } : {}
    return answer(ctx, reply, caller, form.getAll('scope'), refresh)
  })
}

async function callerOfBasic(ctx: ServerContext, request: FastifyRequest): Promise<Caller> {
  const { authorization } = request.headers
  if (authorization === undefined) return ANONYMOUS
  const credentials = basicCredentials(authorization)
  const caller = credentials && (await callerOfSecret(ctx, credentials.password, credentials.username))
  if (caller) return caller
  throw challenge(ctx, request, [])
}

function secretOfForm(form: URLSearchParams): string {
  const grantType = form.get('grant_type')
  const field = grantType === 'password' ? 'password' : grantType === 'refresh_token' ? 'refresh_token' : ''
  const secret = form.get(field)
  if (secret) return secret
  throw invalid('grant_type is password (with password) or refresh_token (with refresh_token)')
}

async function answer(
  ctx: ServerContext,
  reply: FastifyReply,
  caller: Caller,
  scopes: readonly string[],
  refresh: { refresh_token?: string },
) {
  const asked = scopes.flatMap((scope) => scope.split(' ')).filter((scope) => scope !== '')
  if (asked.length > MAX_SCOPES) throw invalid(`at most ${MAX_SCOPES} scopes`)
  const grants = await grantsFor(ctx, caller, asked)
  const catalog = asked.includes(CATALOG_SCOPE) && couldList(caller)
  const token = await issueToken(ctx, caller, grants, catalog)
  const granted = grants.map(({ name, actions }) => `repository:${name}:${actions.join(',')}`)
  return reply.header('cache-control', 'no-store').send({
    token,
    access_token: token,
    expires_in: TOKEN_SECONDS,
    issued_at: new Date(ctx.now()).toISOString(),
    scope: [...granted, ...(catalog ? [CATALOG_SCOPE] : [])].join(' '),
    ...refresh,
  })
}

/** What of the asked repositories this caller gets; what is not granted is left out, without a word about why. */
async function grantsFor(
  ctx: ServerContext,
  caller: Caller,
  asked: readonly string[],
): Promise<readonly Grant[]> {
  const grants: Grant[] = []
  for (const scope of asked) {
    const wanted = parseScope(scope)
    if (!wanted) continue
    const { repository, actions } = wanted
    const own = actions.filter((action) => couldDo(caller, repository, action))
    const isPublic =
      actions.includes('pull') && !own.includes('pull') && (await findPublicRepository(ctx.db, repository))
    const granted: Action[] = isPublic ? [...own, 'pull'] : own
    if (granted.length > 0) grants.push({ name: repository.full, actions: granted })
  }
  return grants
}

/** `repository:<name>:<action>,<action>`; other types, and names that no repository can have, grant nothing. */
function parseScope(scope: string): { repository: RepositoryName; actions: Action[] } | undefined {
  const match = /^repository(?:\([a-z0-9-]+\))?:([^:]+):([a-z*,]+)$/.exec(scope)
  if (!match) return undefined
  const asked = match[2]!.split(',')
  const actions = ACTIONS.filter((action) => asked.includes(action) || asked.includes('*'))
  const repository = tryRepositoryName(match[1]!)
  return repository && { repository, actions }
}

function invalid(message: string): RegistryError {
  return new RegistryError(400, 'UNSUPPORTED', message)
}
