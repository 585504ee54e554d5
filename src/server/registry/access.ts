import type { FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { publicUrlOf } from '../identity/public-url.ts'
import { type Action, type Caller, canDo, couldDo, identifyCaller } from './caller.ts'
import { findPublicRepository, type PublicRepository } from './public-view.ts'
import { nameUnknown, RegistryError } from './registry-error.ts'
import type { RepositoryName } from './target.ts'

/** What a request was let in for. */
export interface Access {
  readonly caller: Caller
  readonly organizationId: string
  /** Set: only what belongs to public images of this repository may be seen. */
  readonly publicOnly: PublicRepository | undefined
}

/**
 * Lets a request do `action` in a repository, or says why not without telling whether a repository of another
 * organization exists: 401 with a challenge when credentials, or a token for more, may help.
 *
 * @throws RegistryError UNAUTHORIZED, DENIED, NAME_UNKNOWN
 */
export async function requireAccess(
  ctx: ServerContext,
  request: FastifyRequest,
  repository: RepositoryName,
  action: Action,
): Promise<Access> {
  const scope = `repository:${repository.full}:${action === 'push' ? 'pull,push' : action}`
  const caller = await requireCaller(ctx, request, scope)
  const { principal } = caller
  if (principal && canDo(caller, repository, action)) {
    return { caller, organizationId: principal.organizationId, publicOnly: undefined }
  }
  if (couldDo(caller, repository, action)) throw challenge(ctx, request, [scope], 'insufficient_scope')
  if (action === 'pull') {
    const publicOnly = await findPublicRepository(ctx.db, repository)
    if (publicOnly) return { caller, organizationId: publicOnly.organizationId, publicOnly }
  }
  if (!principal) throw challenge(ctx, request, [scope])
  if (action === 'pull' && principal.organizationSlug !== repository.slug) throw nameUnknown(repository.full)
  throw new RegistryError(403, 'DENIED', `these credentials may not ${action} here`, {
    detail: { name: repository.full, action },
  })
}

/** @throws RegistryError UNAUTHORIZED when credentials were shown and are not valid */
export async function requireCaller(
  ctx: ServerContext,
  request: FastifyRequest,
  scope?: string,
): Promise<Caller> {
  const caller = await identifyCaller(ctx, request.headers.authorization)
  if (caller) return caller
  throw challenge(ctx, request, scope ? [scope] : [], 'invalid_token')
}

/**
 * 401 that tells a client where to get a token, and for what.
 * https://distribution.github.io/distribution/spec/auth/token/
 *
 * @throws ImgctlError BAD_REQUEST when the Host header is missing or not a host
 */
export function challenge(
  ctx: ServerContext,
  request: FastifyRequest,
  scopes: readonly string[],
  error?: 'invalid_token' | 'insufficient_scope',
): RegistryError {
  const parts = [
    `realm="${publicUrlOf(ctx, request)}/api/registry/token"`,
    `service="${ctx.settings.name.replace(/["\\]/g, '')}"`,
    ...(scopes.length > 0 ? [`scope="${scopes.join(' ')}"`] : []),
    ...(error ? [`error="${error}"`] : []),
  ]
  return new RegistryError(401, 'UNAUTHORIZED', 'authentication required', {
    headers: { 'www-authenticate': `Bearer ${parts.join(',')}` },
  })
}
