import {
  allowInsecureRequests,
  type Configuration,
  type CustomFetch,
  clockSkew,
  clockTolerance,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  Configuration as IssuerConfiguration,
  None,
  type TokenEndpointResponse,
} from 'openid-client'
import { type Dispatcher, fetch } from 'undici'
import { ImgctlError } from '../../errors/error.ts'
import { isLoopback } from '../../internal/loopback.ts'
import type { AccessToken } from '../../ports/credentials.ts'
import type { OAuthLogin, OidcSettings } from '../../ports/login.ts'
import { issuerError } from './issuer-error.ts'

/** An issuer answers within a second; a loaded one gets this long. */
const ANSWER_TIMEOUT_SECONDS = 10
/** Clocks of machines that keep time differ by seconds. */
const CLOCK_TOLERANCE_SECONDS = 30
/** From here on a clock is off, and the issuer's is taken instead. */
const CLOCK_OFF_SECONDS = 60
/** For an access token whose lifetime the issuer does not tell: short enough to be right mostly. */
const UNKNOWN_LIFETIME_SECONDS = 300

/** `offline_access` asks for a refresh token (OpenID Connect Core, section 11). */
export const SCOPE = 'openid profile email offline_access'

/** How requests go out. */
export interface IssuerHttp {
  readonly dispatcher: Dispatcher
  readonly userAgent: string
}

/** An issuer whose documents were read. */
export interface OpenIssuer {
  readonly settings: OidcSettings
  readonly configuration: Configuration
  /** How far this machine's clock is ahead of the issuer's, in seconds. */
  readonly clockAhead: number
}

/**
 * Finds an issuer's endpoints (OpenID Connect Discovery 1.0). ID tokens are then checked with its keys: issuer,
 * audience, nonce, times and signature.
 *
 * @param server the imgctl server that named the issuer
 * @throws ImgctlError SERVER_UNREACHABLE, LOGIN_FAILED
 */
export async function openIssuer(
  settings: OidcSettings,
  server: string,
  http: IssuerHttp,
  signal?: AbortSignal,
): Promise<OpenIssuer> {
  const issuer = parseIssuer(settings.issuer, server)
  let clockAhead = 0
  const send: CustomFetch = async (url, options) => {
    const signals = [signal, options.signal].filter((each) => each !== undefined)
    const request = { ...options, signal: AbortSignal.any(signals), dispatcher: http.dispatcher }
    const headers = { ...options.headers, 'user-agent': http.userAgent }
    const response = await fetch(url, { ...request, headers } as Parameters<typeof fetch>[1])
    clockAhead = secondsAhead(response.headers.get('date')) ?? clockAhead
    return response as unknown as Response
  }
  const insecure = issuer.protocol === 'http:' ? [allowInsecureRequests] : []
  try {
    const timeout = ANSWER_TIMEOUT_SECONDS
    const found = await discovery(issuer, settings.clientId, undefined, None(), {
      [customFetch]: send,
      execute: insecure,
      timeout,
    })
    const isOff = Math.abs(clockAhead) > CLOCK_OFF_SECONDS
    const client = { [clockTolerance]: CLOCK_TOLERANCE_SECONDS, [clockSkew]: isOff ? -clockAhead : 0 }
    const configuration = new IssuerConfiguration(found.serverMetadata(), settings.clientId, client, None())
    configuration[customFetch] = send
    configuration.timeout = timeout
    for (const allow of insecure) allow(configuration)
    enableNonRepudiationChecks(configuration)
    return { settings, configuration, clockAhead: isOff ? clockAhead : 0 }
  } catch (error) {
    signal?.throwIfAborted()
    throw issuerError(settings.issuer, error)
  }
}

/** What every request for tokens of this audience says: by RFC 8707, and as Auth0 has it. */
export function audienceParameters({ audience }: OidcSettings): { resource?: string; audience: string } {
  return { ...(URL.canParse(audience) ? { resource: audience } : {}), audience }
}

/** The tokens of an answer, with times by this machine's clock. */
export function toLogin({ settings }: OpenIssuer, response: TokenEndpointResponse): OAuthLogin {
  const { issuer, clientId, audience } = settings
  return {
    credential: { kind: 'oauth', refreshToken: response.refresh_token, issuer, clientId, audience },
    accessToken: toAccessToken(response),
  }
}

export function toAccessToken(response: TokenEndpointResponse): AccessToken {
  const issuedAt = Date.now()
  const lifetime = response.expires_in ?? UNKNOWN_LIFETIME_SECONDS
  return { value: response.access_token, issuedAt, expiresAt: issuedAt + lifetime * 1000 }
}

/** Plain HTTP is for this machine, and for a server that the user reaches by plain HTTP already. */
function parseIssuer(text: string, server: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isAllowed =
    url?.protocol === 'https:' ||
    (url?.protocol === 'http:' && (isLoopback(text) || url.origin === new URL(server).origin))
  if (url && isAllowed) return url
  throw new ImgctlError('LOGIN_FAILED', `the server names an issuer that cannot be used: it is not https`, {
    hint: 'log in with an API key: imgctl login --api-key-stdin',
  })
}

function secondsAhead(date: string | null): number | undefined {
  const there = Date.parse(date ?? '')
  return Number.isNaN(there) ? undefined : Math.round((Date.now() - there) / 1000)
}
