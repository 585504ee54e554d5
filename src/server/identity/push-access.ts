import type { Permission, PushAccess } from '../../contract/identity.ts'
import { ImgctlError } from '../../errors/error.ts'
import { PATH_COMPONENT } from '../../oci/reference.ts'
import type { ServerContext } from '../context.ts'
import { originOf, principalOfOrigin } from './origin.ts'
import { hasPermission, type Principal, requirePermission } from './principal.ts'

/** Long enough for a push over a slow line to begin each of its requests; a leaked secret is soon worthless. */
const PUSH_ACCESS_SECONDS = 3600
/** Tells a push secret from the registry tokens that the same key signs. */
const USE = 'push-access'
/** The registry looks at the secret only; `docker login` wants a name too. */
const USERNAME = 'imgctl'
const EMBEDDED_REGISTRY_ID = 'embedded'
const PUSH_PERMISSIONS: readonly Permission[] = ['read:images', 'write:images']
/** distribution/reference: NameTotalLengthMax. */
const MAX_REPOSITORY_LENGTH = 255

/**
 * Registry credentials for one hour: push and pull, in the principal's organization only.
 *
 * @param repository path without the organization: narrows the access to this one
 * @throws ImgctlError FORBIDDEN without write:images; NAME_INVALID for a path that no repository can have
 */
export async function issuePushAccess(
  ctx: Pick<ServerContext, 'keys' | 'now'>,
  principal: Principal,
  repository: string | undefined,
  registryHost: string,
): Promise<PushAccess> {
  requirePermission(principal, 'write:images')
  if (repository !== undefined) assertRepository(repository)
  const claims = { use: USE, ...originOf(principal), ...(repository === undefined ? {} : { repository }) }
  return {
    username: USERNAME,
    secret: await ctx.keys.signToken(claims, PUSH_ACCESS_SECONDS),
    registryUrl: registryHost,
    registryId: EMBEDDED_REGISTRY_ID,
    project: principal.organizationSlug,
    expiresAt: new Date(ctx.now() + PUSH_ACCESS_SECONDS * 1000).toISOString(),
  }
}

/**
 * Who a push secret speaks for: its principal with push and pull at most. Undefined when the secret is
 * none, has expired, or the API key or login behind it has ended.
 */
export async function principalOfPushSecret(
  ctx: Pick<ServerContext, 'db' | 'keys' | 'now'>,
  secret: string,
): Promise<{ principal: Principal; repository?: string } | undefined> {
  const claims = await ctx.keys.verifyToken(secret)
  if (claims?.['use'] !== USE) return undefined
  const owner = await principalOfOrigin(ctx, claims)
  if (!owner) return undefined
  const permissions = new Set(PUSH_PERMISSIONS.filter((permission) => hasPermission(owner, permission)))
  const principal: Principal = { ...owner, permissions }
  const { repository } = claims
  return typeof repository === 'string' ? { principal, repository } : { principal }
}

function assertRepository(repository: string): void {
  const valid = repository.split('/').every((component) => PATH_COMPONENT.test(component))
  if (valid && repository.length <= MAX_REPOSITORY_LENGTH) return
  const message = `${JSON.stringify(repository)} is not a repository`
  throw new ImgctlError('NAME_INVALID', message, {
    hint: 'give the path without registry, organization and tag: team/app',
  })
}
