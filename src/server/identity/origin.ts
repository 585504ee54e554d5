import type { ServerContext } from '../context.ts'
import { isLiveGrant } from './grants.ts'
import { type Principal, principalOfKeyId, principalOfMember } from './principal.ts'

/** What a token that was derived from other credentials says about them: it is dead as soon as they are. */
type Origin =
  | { readonly key: string }
  | { readonly user: string; readonly organization: string; readonly grant: string | null }

export function originOf({ keyId, userId, organizationId, grantId }: Principal): Origin {
  return keyId === null ? { user: userId, organization: organizationId, grant: grantId } : { key: keyId }
}

/** Who derived the token with these claims; undefined when the key, the login, the user or the membership has ended. */
export async function principalOfOrigin(
  ctx: Pick<ServerContext, 'db' | 'now'>,
  claims: Readonly<Record<string, unknown>>,
): Promise<Principal | undefined> {
  const { key, user, organization, grant } = claims
  if (typeof key === 'string') return principalOfKeyId(ctx, key)
  if (typeof user !== 'string' || typeof organization !== 'string') return undefined
  const grantId = typeof grant === 'string' ? grant : null
  if (grantId !== null && !(await isLiveGrant(ctx, grantId))) return undefined
  return principalOfMember(ctx, { userId: user, grantId }, organization)
}
