import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from 'jose'
import { ImgctlError } from '../../errors/error.ts'
import { isLoopback } from '../../internal/loopback.ts'
import type { ExternalIssuerSettings, ServerContext } from '../context.ts'
import { fetchBoundedJson } from './bounded-json.ts'
import { userOfIdentity } from './identities.ts'
import type { AccessTokens } from './token-login.ts'

type Ctx = Pick<ServerContext, 'db' | 'now' | 'log' | 'settings'>

/** What two well-kept clocks differ by; more would let ended tokens live. */
export const CLOCK_TOLERANCE_SECONDS = 30
/** Signatures that only the issuer can make. `none` and the shared secrets (HS...) are not among them. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** A token with a key that is not known yet makes us look again, but no more often than this. */
const LOOK_AGAIN_MS = 30_000
/** A key that the issuer withdrew is not believed for longer than this. */
const KEYS_MAX_AGE_MS = 10 * 60_000
/** After a failed discovery, tokens are refused without another request for so long. */
const RETRY_DISCOVERY_MS = 5_000

/** The tokens of an issuer that others run. Its keys are looked up when the first token comes, and kept. */
export function externalAccessTokens(ctx: Ctx, settings: ExternalIssuerSettings): AccessTokens {
  const keysOfIssuer = rememberKeys(ctx, settings)
  return {
    async verify(token) {
      const keys = await keysOfIssuer()
      const rules = {
        issuer: settings.issuer,
        audience: settings.audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(ctx.now()),
      }
      const claims = await jwtVerify(token, keys, rules).then(
        ({ payload }) => payload,
        (error: unknown) => {
          if (isIssuerTrouble(error)) throw unreachable(settings.issuer, error)
          return undefined
        },
      )
      if (!claims?.sub || !isForClient(claims, settings.clientId)) return undefined
      const userId = await userOfIdentity(ctx, settings, { ...claims, sub: claims.sub })
      return userId === undefined ? undefined : { userId, grantId: null }
    },
  }
}

/** @throws ImgctlError USAGE for an issuer whose keys anyone on the way could replace */
export function assertExternalIssuer({ issuer }: ExternalIssuerSettings): void {
  const url = URL.parse(issuer)
  if (url?.protocol === 'https:' && !url.search && !url.hash) return
  if (url?.protocol === 'http:' && isLoopback(issuer)) return
  throw new ImgctlError('USAGE', `--oidc-issuer is not an https URL: ${JSON.stringify(issuer)}`, {
    hint: "give it as it is in the issuer's /.well-known/openid-configuration, with a slash at the end or without",
  })
}

/** A token that another client of the same issuer got is not for us, even when its audience is. */
function isForClient({ azp, client_id: client }: JWTPayload, clientId: string): boolean {
  return [azp, client].every((value) => value === undefined || value === clientId)
}

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>

/** OpenID Connect Discovery 1.0, section 4: the document must name the very issuer that it was asked of. */
function rememberKeys(ctx: Ctx, { issuer }: ExternalIssuerSettings): () => Promise<RemoteKeys> {
  let keys: Promise<RemoteKeys> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  let failure: unknown
  const discover = async (): Promise<RemoteKeys> => {
    try {
      const document = await fetchBoundedJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
      const { issuer: named, jwks_uri: uri } = document as { issuer?: unknown; jwks_uri?: unknown }
      if (named !== issuer) throw new Error(`the document is of the issuer ${JSON.stringify(named)}`)
      const url = URL.parse(String(uri))
      if (!url || (url.protocol !== 'https:' && !isLoopback(url.href))) throw new Error('no https jwks_uri')
      return createRemoteJWKSet(url, {
        cooldownDuration: LOOK_AGAIN_MS,
        cacheMaxAge: KEYS_MAX_AGE_MS,
        [customFetch]: async (address) => Response.json(await fetchBoundedJson(address)),
      })
    } catch (error) {
      keys = undefined
      failedAt = ctx.now()
      failure = error
      ctx.log.warn({ issuer, err: error }, 'the issuer cannot be read')
      throw unreachable(issuer, error)
    }
  }
  return () => {
    if (ctx.now() - failedAt < RETRY_DISCOVERY_MS) return Promise.reject(unreachable(issuer, failure))
    keys ??= discover()
    return keys
  }
}

/** What is wrong with the issuer, in contrast to what is wrong with a token. */
function isIssuerTrouble(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return !/^ERR_(?:JW[TS]|JOSE|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE)/.test(code)
}

function unreachable(issuer: string, cause: unknown): ImgctlError {
  return new ImgctlError('TIMEOUT', `the server cannot read the keys of the issuer ${issuer}`, {
    hint: 'try again in a moment; an API key works meanwhile',
    retryable: true,
    cause,
  })
}
