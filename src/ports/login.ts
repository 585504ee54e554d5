import type { AccessToken, OAuthCredential } from './credentials.ts'

/** How a server's users log in, as its `GET /api/config` says. */
export interface OidcSettings {
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
}

export type LoginEvent =
  /** The page to log in on. `opening`: a browser is about to be opened with it. */
  | { readonly type: 'authorization-url'; readonly url: string; readonly opening: boolean }
  | { readonly type: 'browser-failed'; readonly reason: string }
  /** A callback that was not of this login; the wait goes on. */
  | { readonly type: 'callback-refused'; readonly reason: string }
  | {
      readonly type: 'device-code'
      readonly userCode: string
      readonly url: string
      readonly minutes: number
    }
  /** How far this machine's clock is ahead of the issuer's (behind: negative). The login allows for it. */
  | { readonly type: 'clock-off'; readonly seconds: number }

/** What a login leads to. */
export interface OAuthLogin {
  readonly credential: OAuthCredential
  readonly accessToken: AccessToken
}

export interface BrowserLogin {
  readonly openBrowser: boolean
  /** Whether to give up, for another way to log in, when no browser can be opened. */
  readonly needsBrowser: boolean
  /** The listener's port; undefined: a free one. */
  readonly callbackPort: number | undefined
  readonly timeoutMs: number
}

/**
 * An OpenID provider that a server trusts.
 *
 * @throws ImgctlError SERVER_UNREACHABLE, LOGIN_FAILED (what the issuer says cannot be trusted or used), FORBIDDEN
 *   (the user said no), TIMEOUT, UNSUPPORTED
 */
export interface Issuer {
  readonly hasDeviceLogin: boolean
  /** @returns undefined when no browser could be opened and `needsBrowser` is said */
  loginWithBrowser(
    request: BrowserLogin,
    onEvent: (event: LoginEvent) => void,
    signal: AbortSignal,
  ): Promise<OAuthLogin | undefined>
  /** @param timeoutMs undefined: as long as the code is good */
  loginWithDevice(
    request: { readonly timeoutMs: number | undefined },
    onEvent: (event: LoginEvent) => void,
    signal: AbortSignal,
  ): Promise<OAuthLogin>
}
