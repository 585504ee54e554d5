import { ImgctlError } from '../../errors/error.ts'
import type { Issuer, LoginEvent, OidcSettings } from '../../ports/login.ts'
import { loginWithBrowser } from './browser-login.ts'
import { loginWithDevice } from './device-login.ts'
import { type IssuerHttp, openIssuer } from './issuer.ts'

/**
 * The issuer that a server names, with the ways to log in there.
 *
 * @throws ImgctlError SERVER_UNREACHABLE, LOGIN_FAILED
 */
export async function createIssuer(
  settings: OidcSettings,
  server: string,
  http: IssuerHttp,
  signal: AbortSignal,
): Promise<Issuer> {
  const issuer = await openIssuer(settings, server, http, signal)
  const hasDeviceLogin = issuer.configuration.serverMetadata().device_authorization_endpoint !== undefined
  const sayClock = (onEvent: (event: LoginEvent) => void) => {
    if (issuer.clockAhead !== 0) onEvent({ type: 'clock-off', seconds: issuer.clockAhead })
  }
  return {
    hasDeviceLogin,
    loginWithBrowser: (request, onEvent, stop) => {
      sayClock(onEvent)
      return loginWithBrowser(issuer, request, onEvent, stop)
    },
    loginWithDevice: ({ timeoutMs }, onEvent, stop) => {
      if (!hasDeviceLogin) throw noDeviceLogin(settings.issuer)
      sayClock(onEvent)
      return loginWithDevice(issuer, timeoutMs, onEvent, stop)
    },
  }
}

function noDeviceLogin(issuer: string): ImgctlError {
  return new ImgctlError('UNSUPPORTED', `${issuer} has no login with a code`, {
    hint: 'imgctl login --web, or with an API key: imgctl login --api-key-stdin',
  })
}
