import { refreshTokenGrant, tokenRevocation } from 'openid-client'
import type { OAuthCredential } from '../../ports/credentials.ts'
import type { OAuthLogin } from '../../ports/login.ts'
import { audienceParameters, type IssuerHttp, openIssuer, toLogin } from './issuer.ts'
import { issuerError, refusalOf } from './issuer-error.ts'

/**
 * New tokens for a refresh token, which may be used up by that: once the issuer is asked, its answer is waited for.
 *
 * @returns undefined when the issuer does not take the refresh token any more
 * @throws ImgctlError SERVER_UNREACHABLE, LOGIN_FAILED
 */
export async function refreshLogin(
  credential: OAuthCredential & { readonly refreshToken: string },
  server: string,
  http: IssuerHttp,
  signal?: AbortSignal,
): Promise<OAuthLogin | undefined> {
  // Not with the signal: a refresh that is broken off leaves the old token used up and the new one lost.
  const issuer = await openIssuer(credential, server, http)
  signal?.throwIfAborted()
  try {
    const parameters = audienceParameters(credential)
    const response = await refreshTokenGrant(issuer.configuration, credential.refreshToken, parameters)
    const login = toLogin(issuer, response)
    // An issuer that does not rotate answers without one: the old one stays good.
    const refreshToken = login.credential.refreshToken ?? credential.refreshToken
    return { ...login, credential: { ...login.credential, refreshToken } }
  } catch (error) {
    if (refusalOf(error) === 'invalid_grant') return undefined
    throw issuerError(credential.issuer, error)
  }
}

/**
 * Ends a login at its issuer (RFC 7009).
 *
 * @returns false when the issuer offers no way to
 * @throws ImgctlError SERVER_UNREACHABLE, LOGIN_FAILED
 */
export async function revokeLogin(
  credential: OAuthCredential,
  server: string,
  http: IssuerHttp,
  signal?: AbortSignal,
): Promise<boolean> {
  if (credential.refreshToken === undefined) return false
  const { configuration } = await openIssuer(credential, server, http, signal)
  if (configuration.serverMetadata().revocation_endpoint === undefined) return false
  try {
    await tokenRevocation(configuration, credential.refreshToken, { token_type_hint: 'refresh_token' })
    return true
  } catch (error) {
    signal?.throwIfAborted()
    throw issuerError(credential.issuer, error)
  }
}
