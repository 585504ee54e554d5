import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Permission } from '../../contract/identity.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import { type Principal, principalOfApiKey, requirePermission } from '../identity/principal.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on public routes. Handlers take it from `principalOf`. */
    principal: Principal | null
  }
  interface FastifyContextConfig {
    /** Answers without an API key. */
    public?: boolean
    /** Checked before the body is read. */
    permission?: Permission
  }
}

/** RFC 6750, section 2.1; the scheme's case does not matter. */
const BEARER = /^bearer +(\S+)$/i
const HINT = "send 'Authorization: Bearer img_...'; imgctl login stores a key"

/** Every route of `app` and its plugins then needs an API key, unless its config says `public`. */
export function authenticate(app: FastifyInstance, ctx: ServerContext): void {
  app.decorateRequest('principal', null)
  app.addHook('onRequest', async (request) => {
    const { config } = request.routeOptions
    if (config.public) return
    request.principal = await findPrincipal(ctx, request)
    if (config.permission) requirePermission(request.principal, config.permission)
  })
}

/** Who sent this request. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal) return request.principal
  throw new ImgctlError('AUTH_REQUIRED', 'this needs an API key', { hint: HINT })
}

async function findPrincipal(ctx: ServerContext, request: FastifyRequest): Promise<Principal> {
  const { authorization } = request.headers
  if (authorization === undefined) {
    throw new ImgctlError('AUTH_REQUIRED', 'this needs an API key', { hint: HINT })
  }
  const value = BEARER.exec(authorization)?.[1]
  const principal = value === undefined ? undefined : await principalOfApiKey(ctx, value)
  if (principal) return principal
  throw new ImgctlError('AUTH_REQUIRED', 'the API key is wrong, revoked or expired', { hint: HINT })
}
