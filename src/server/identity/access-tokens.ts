import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import type { ServerContext } from '../context.ts'
import { externalAccessTokens } from './external-tokens.ts'
import { isLiveGrant } from './grants.ts'
import { issuerOf } from './issuer.ts'
import { SIGNING_ALGORITHM, SigningKeyRing, type SigningKeys } from './signing-keys.ts'
import type { AccessTokens } from './token-login.ts'

type Ctx = Pick<ServerContext, 'settings' | 'db' | 'keys' | 'now' | 'origin' | 'log'>

/** Longer than any token that an issuer makes; Node takes 16 KiB of headers in all. */
const MAX_TOKEN_LENGTH = 8 * 1024
/** RFC 9068, section 2.1. */
const TYPE = 'at+jwt'
/** Both clocks are this server's; a token that was made in the same second is still valid. */
const CLOCK_TOLERANCE_SECONDS = 5

/** Those of the issuer that the settings name, this server by default. */
export function createAccessTokens(ctx: Ctx): AccessTokens {
  const { oidc } = ctx.settings
  const verifier = oidc ? externalAccessTokens(ctx, oidc) : ownAccessTokens(ctx)
  return {
    verify: async (token) => (looksLikeJwt(token) ? verifier.verify(token) : undefined),
  }
}

function looksLikeJwt(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)
}

function ownAccessTokens(ctx: Ctx): AccessTokens {
  const ring = new SigningKeyRing(ctx)
  const verifiers = new WeakMap<SigningKeys, ReturnType<typeof createLocalJWKSet>>()
  const publicKeys = async () => {
    const keys = await ring.current()
    const found = verifiers.get(keys) ?? createLocalJWKSet({ keys: keys.map(publicPart) })
    verifiers.set(keys, found)
    return found
  }
  return {
    async verify(token) {
      const facts = issuerOf(ctx)
      if (!facts) return undefined
      const rules = {
        issuer: facts.issuer,
        audience: facts.audience,
        algorithms: [SIGNING_ALGORITHM],
        typ: TYPE,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(ctx.now()),
      }
      const claims = await jwtVerify(token, await publicKeys(), rules).then(
        ({ payload }) => payload,
        () => undefined,
      )
      const { sub, grant, client_id: clientId } = claims ?? {}
      if (typeof sub !== 'string' || typeof grant !== 'string' || clientId !== facts.clientId)
        return undefined
      return (await isLiveGrant(ctx, grant)) ? { userId: sub, grantId: grant } : undefined
    },
  }
}

/** RFC 7518, section 6.2.2: `d` is what makes it private. */
function publicPart({ d: _, ...jwk }: JWK): JWK {
  return jwk
}
