import { initiateDeviceAuthorization, pollDeviceAuthorizationGrant } from 'openid-client'
import { ImgctlError } from '../../errors/error.ts'
import type { LoginEvent, OAuthLogin } from '../../ports/login.ts'
import { audienceParameters, type OpenIssuer, SCOPE, toLogin } from './issuer.ts'
import { issuerError } from './issuer-error.ts'

/**
 * Login with a code that is entered on any device (RFC 8628). The issuer's interval and `slow_down` are honoured.
 *
 * @param timeoutMs undefined: as long as the code is good
 * @throws ImgctlError as ports/login.ts says; the signal's reason
 */
export async function loginWithDevice(
  issuer: OpenIssuer,
  timeoutMs: number | undefined,
  onEvent: (event: LoginEvent) => void,
  signal: AbortSignal,
): Promise<OAuthLogin> {
  const { configuration, settings } = issuer
  const parameters = audienceParameters(settings)
  const deadline = new AbortController()
  let timer: NodeJS.Timeout | undefined
  try {
    const asked = await initiateDeviceAuthorization(configuration, { scope: SCOPE, ...parameters })
    onEvent({
      type: 'device-code',
      userCode: asked.user_code,
      url: asked.verification_uri,
      minutes: Math.ceil(asked.expires_in / 60),
    })
    const lifetime = asked.expires_in * 1000
    timer = setTimeout(() => deadline.abort(), Math.min(lifetime, timeoutMs ?? lifetime))
    const { resource } = parameters
    const response = await pollDeviceAuthorizationGrant(
      configuration,
      asked,
      resource === undefined ? {} : { resource },
      { signal: AbortSignal.any([signal, deadline.signal]) },
    )
    return toLogin(issuer, response)
  } catch (error) {
    signal.throwIfAborted()
    if (deadline.signal.aborted) throw tooLate()
    throw issuerError(settings.issuer, error)
  } finally {
    clearTimeout(timer)
  }
}

function tooLate(): ImgctlError {
  return new ImgctlError('TIMEOUT', 'the code was not entered in time', {
    hint: 'try again: imgctl login --device',
  })
}
