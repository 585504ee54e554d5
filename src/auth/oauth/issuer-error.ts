import { AuthorizationResponseError, ClientError, ResponseBodyError } from 'openid-client'
import { ImgctlError } from '../../errors/error.ts'
import { type ConnectionFailure, connectionFailure } from '../../internal/connection-failure.ts'
import { makeVisible } from '../../internal/control-characters.ts'

/** An issuer's description is shown up to this length. */
const MAX_DESCRIPTION_LENGTH = 200
/** openid-client's code for a call that ran into its own time limit. */
const TIMED_OUT = 'OAUTH_TIMEOUT'
const NO_ANSWER: ConnectionFailure = { kind: 'lost', reason: 'no answer in time' }

const TRY_AGAIN = 'try again: imgctl login'
const OTHER_WAY = 'ask the person who runs the server; with an API key: imgctl login --api-key-stdin'

/** What the issuer said no with (RFC 6749, section 5.2; RFC 8628, section 3.5); undefined when it did not. */
export function refusalOf(error: unknown): string | undefined {
  const said = error instanceof ResponseBodyError || error instanceof AuthorizationResponseError
  return said ? error.error : undefined
}

/**
 * An error of openid-client's in the user's words. Its causes hold answers with tokens in them: only their messages
 * are kept.
 */
export function issuerError(issuer: string, error: unknown): unknown {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) {
    return refusal(issuer, error.error, error.error_description)
  }
  const protocolCode = protocolCodeOf(error)
  if (error instanceof Error && protocolCode !== undefined && protocolCode !== TIMED_OUT) {
    return untrusted(issuer, error)
  }
  const failure = protocolCode === TIMED_OUT ? NO_ANSWER : connectionFailure(error, new URL(issuer).protocol)
  if (failure === undefined) return error
  return new ImgctlError('SERVER_UNREACHABLE', `cannot reach the issuer ${issuer}: ${failure.reason}`, {
    retryable: failure.kind !== 'refused',
    hint: failure.hint ?? 'check the network and HTTPS_PROXY; imgctl doctor shows what is in force',
  })
}

function refusal(issuer: string, code: string, description: string | undefined): ImgctlError {
  switch (code) {
    case 'access_denied':
      return new ImgctlError('FORBIDDEN', `the login was denied at ${issuer}`, { hint: TRY_AGAIN })
    case 'expired_token':
      return new ImgctlError('TIMEOUT', 'the code expired before it was entered', { hint: TRY_AGAIN })
    case 'invalid_grant':
      return new ImgctlError('LOGIN_FAILED', 'the login has expired or was used before', { hint: TRY_AGAIN })
    default: {
      const words = makeVisible([code, description].filter(Boolean).join(': '))
      const said = words.slice(0, MAX_DESCRIPTION_LENGTH)
      return new ImgctlError('LOGIN_FAILED', `${issuer} refused the login: ${said}`, { hint: OTHER_WAY })
    }
  }
}

function untrusted(issuer: string, error: Error): ImgctlError {
  const inner = error.cause instanceof Error ? error.cause.message : undefined
  const why = inner === undefined || inner === error.message ? error.message : `${error.message} (${inner})`
  return new ImgctlError(
    'LOGIN_FAILED',
    `the answer of ${issuer} cannot be trusted: ${makeVisible(why).slice(0, MAX_DESCRIPTION_LENGTH)}`,
    { hint: OTHER_WAY },
  )
}

/** openid-client's code for what went wrong; undefined for an error that is not its own. */
function protocolCodeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code === 'string' && code.startsWith('OAUTH_')) return code
  return error instanceof ClientError ? 'OAUTH_UNKNOWN' : undefined
}
