import type { FastifyInstance, FastifyRequest } from 'fastify'
import { API_KEY, type Permission } from '../../contract/identity.ts'
import { ORGANIZATION_HEADER, ORGANIZATION_HEADER_DAYTONA } from '../../contract/server.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import {
  type Principal,
  principalOfApiKey,
  principalOfMember,
  requirePermission,
} from '../identity/principal.ts'
import type { TokenLogin } from '../identity/token-login.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on public routes. Handlers take it from `principalOf`. */
    principal: Principal | null
    /** Who showed an access token; null for an API key and on public routes. */
    tokenLogin: TokenLogin | null
  }
  interface FastifyContextConfig {
    /** Answers without credentials. */
    public?: boolean
    /** Checked before the body is read. */
    permission?: Permission
    /** Answers a token's user without asking which organization is meant. */
    anyOrganization?: boolean
  }
}

/** RFC 6750, section 2.1; the scheme's case does not matter. */
const BEARER = /^bearer +(\S+)$/i
const HINT = 'log in with imgctl login, or set IMGCTL_API_KEY'

/** Every route of `app` and its plugins then needs an API key or access token, unless its config says `public`. */
export function authenticate(app: FastifyInstance, ctx: ServerContext): void {
  app.decorateRequest('principal', null)
  app.decorateRequest('tokenLogin', null)
  app.addHook('onRequest', async (request) => {
    const { config } = request.routeOptions
    if (config.public) return
    const value = bearerOf(request)
    if (API_KEY.test(value)) {
      request.principal = await principalOfKey(ctx, value)
      if (!config.anyOrganization) assertOrganizationOfKey(request.principal, chosenOrganization(request))
    } else request.tokenLogin = await loginOfToken(ctx, value)
    if (request.tokenLogin && !config.anyOrganization) {
      request.principal = await principalInOrganization(ctx, request, request.tokenLogin)
    }
    if (config.permission) requirePermission(principalOf(request), config.permission)
  })
}

/** Who sent this request. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal) return request.principal
  throw new ImgctlError('AUTH_REQUIRED', 'this needs a login', { hint: HINT })
}

function bearerOf({ headers }: FastifyRequest): string {
  const { authorization } = headers
  if (authorization === undefined) {
    throw new ImgctlError('AUTH_REQUIRED', 'this needs a login', { hint: HINT })
  }
  return BEARER.exec(authorization)?.[1] ?? ''
}

async function principalOfKey(ctx: ServerContext, value: string): Promise<Principal> {
  const principal = await principalOfApiKey(ctx, value)
  if (principal) return principal
  throw new ImgctlError('AUTH_REQUIRED', 'the API key is wrong, revoked or expired', { hint: HINT })
}

/** By id or slug. */
function chosenOrganization({ headers }: FastifyRequest): string | undefined {
  const chosen = headers[ORGANIZATION_HEADER] ?? headers[ORGANIZATION_HEADER_DAYTONA]
  return typeof chosen === 'string' && chosen !== '' ? chosen : undefined
}

/** A key carries its organization: to go on in it, when another was asked for, would change the wrong images. */
function assertOrganizationOfKey(principal: Principal, chosen: string | undefined): void {
  const { organizationId, organizationSlug } = principal
  if (chosen === undefined || chosen === organizationId || chosen === organizationSlug) return
  throw new ImgctlError(
    'FORBIDDEN',
    `the API key is of the organization ${organizationSlug}, not of ${JSON.stringify(chosen)}`,
    {
      hint: 'use a key of that organization, or log in as a user: imgctl login',
    },
  )
}

async function loginOfToken(ctx: ServerContext, value: string): Promise<TokenLogin> {
  const login = await ctx.accessTokens.verify(value)
  if (login) return login
  const message = 'the server does not know this API key or access token, or it has ended'
  throw new ImgctlError('AUTH_REQUIRED', message, { hint: HINT })
}

async function principalInOrganization(
  ctx: ServerContext,
  request: FastifyRequest,
  login: TokenLogin,
): Promise<Principal> {
  const organization = chosenOrganization(request)
  const principal = await principalOfMember(ctx, login, organization)
  if (principal) return principal
  if (organization !== undefined) {
    throw new ImgctlError('NOT_FOUND', `you are in no organization ${JSON.stringify(organization)}`, {
      hint: 'imgctl organization list shows yours',
    })
  }
  throw new ImgctlError('FORBIDDEN', 'you are logged in, but in no organization', {
    hint: 'the person who runs the server lets you in with: imgctl serve user grant',
  })
}
