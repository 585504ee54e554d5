import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import { ImgctlError } from '../../errors/error.ts'
import type { BrowserLogin, LoginEvent, OAuthLogin } from '../../ports/login.ts'
import { type Callback, listenForCallback } from './callback-listener.ts'
import { type CallbackPage, PAGES } from './callback-page.ts'
import { audienceParameters, type OpenIssuer, SCOPE, toLogin } from './issuer.ts'
import { issuerError, refusalOf } from './issuer-error.ts'
import { openBrowser } from './open-browser.ts'

/** What this login is recognised by. */
interface Secrets {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/**
 * Authorization code with PKCE and a loopback redirect (OAuth 2.1; RFC 8252). The listener stands before the browser
 * is opened, and is gone when this returns.
 *
 * @returns undefined when no browser could be opened and the request needs one
 * @throws ImgctlError as ports/login.ts says; the signal's reason
 */
export async function loginWithBrowser(
  issuer: OpenIssuer,
  request: BrowserLogin,
  onEvent: (event: LoginEvent) => void,
  signal: AbortSignal,
): Promise<OAuthLogin | undefined> {
  const secrets = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() }
  const listener = await listenForCallback(secrets.state, request.callbackPort, (reason) =>
    onEvent({ type: 'callback-refused', reason }),
  )
  try {
    const url = await authorizationUrl(issuer, listener.redirectUri, secrets).catch((error) => {
      throw issuerError(issuer.settings.issuer, error)
    })
    onEvent({ type: 'authorization-url', url, opening: request.openBrowser })
    const failed = request.openBrowser ? browserFailure(url, request.needsBrowser, onEvent) : undefined
    const callback = await waitForCallback(listener.callback, failed, request.timeoutMs, signal)
    return callback && (await finish(issuer, callback, secrets, signal))
  } finally {
    await listener.close()
  }
}

async function authorizationUrl(
  { configuration, settings }: OpenIssuer,
  redirectUri: string,
  { state, nonce, verifier }: Secrets,
): Promise<string> {
  const url = buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: SCOPE,
    // Without it there is no refresh token (OpenID Connect Core, section 11).
    prompt: 'consent',
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...audienceParameters(settings),
  })
  return url.href
}

/** Settles, with undefined, only when a browser is needed and there is none. */
function browserFailure(
  url: string,
  needsBrowser: boolean,
  onEvent: (event: LoginEvent) => void,
): Promise<undefined> {
  return new Promise((resolve) => {
    void openBrowser(url).then((reason) => {
      if (reason === undefined) return
      onEvent({ type: 'browser-failed', reason })
      if (needsBrowser) resolve(undefined)
    })
  })
}

async function waitForCallback(
  callback: Promise<Callback>,
  browserFailed: Promise<undefined> | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Callback | undefined> {
  signal.throwIfAborted()
  let timer: NodeJS.Timeout | undefined
  let onAbort = () => {}
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate(timeoutMs)), timeoutMs)
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([callback, end, ...(browserFailed ? [browserFailed] : [])])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** The browser waits for its page until it is known how the login ended. */
async function finish(
  issuer: OpenIssuer,
  { url, show }: Callback,
  { state, nonce, verifier }: Secrets,
  signal: AbortSignal,
): Promise<OAuthLogin> {
  try {
    const response = await authorizationCodeGrant(
      issuer.configuration,
      url,
      { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
      tokenParameters(issuer),
    )
    const login = toLogin(issuer, response)
    await show(PAGES.success)
    return login
  } catch (error) {
    signal.throwIfAborted()
    await show(pageFor(error))
    throw issuerError(issuer.settings.issuer, error)
  }
}

function tokenParameters({ settings }: OpenIssuer): Record<string, string> {
  const { resource } = audienceParameters(settings)
  return resource === undefined ? {} : { resource }
}

function pageFor(error: unknown): CallbackPage {
  const refusal = refusalOf(error)
  if (refusal === 'access_denied') return PAGES.denied
  return refusal === 'invalid_grant' ? PAGES.expired : PAGES.failed
}

function tooLate(timeoutMs: number): ImgctlError {
  return new ImgctlError('TIMEOUT', `nobody logged in within ${Math.round(timeoutMs / 1000)} s`, {
    hint: 'try again: imgctl login; on another device: imgctl login --device',
  })
}
