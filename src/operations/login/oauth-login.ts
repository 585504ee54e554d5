import type { Issuer, LoginEvent, OAuthLogin } from '../../ports/login.ts'

/** Long enough to find a password and a second factor; then the listener is gone. */
export const BROWSER_TIMEOUT_MS = 3 * 60_000

export interface OAuthLoginRequest {
  /** `auto`: a browser where one can be opened, a code where not. */
  readonly method: 'auto' | 'browser' | 'device'
  readonly openBrowser: boolean
  readonly callbackPort: number | undefined
  /** Undefined: BROWSER_TIMEOUT_MS, or as long as a code is good. */
  readonly timeoutMs: number | undefined
  /** Why no browser can be opened here. */
  readonly headless: string | undefined
}

export type OAuthLoginEvent =
  | LoginEvent
  /** The login goes on with a code. */
  | { readonly type: 'device-chosen'; readonly reason: string }

/**
 * Logs in at an issuer in the way that works here: when no browser can be opened, with a code for any device, if the
 * issuer has that.
 *
 * @throws ImgctlError as ports/login.ts says; the signal's reason
 */
export async function logInWithOAuth(
  issuer: Issuer,
  { method, openBrowser, callbackPort, timeoutMs, headless }: OAuthLoginRequest,
  onEvent: (event: OAuthLoginEvent) => void,
  signal: AbortSignal,
): Promise<OAuthLogin> {
  const withDevice = (reason?: string) => {
    if (reason !== undefined) onEvent({ type: 'device-chosen', reason })
    return issuer.loginWithDevice({ timeoutMs }, onEvent, signal)
  }
  if (method === 'device') return withDevice()
  const mayUseDevice = method === 'auto' && issuer.hasDeviceLogin
  if (mayUseDevice && headless !== undefined) return withDevice(headless)
  const request = {
    openBrowser: openBrowser && (headless === undefined || method === 'browser'),
    needsBrowser: mayUseDevice,
    callbackPort,
    timeoutMs: timeoutMs ?? BROWSER_TIMEOUT_MS,
  }
  const login = await issuer.loginWithBrowser(request, onEvent, signal)
  return login ?? withDevice('no browser could be opened')
}
