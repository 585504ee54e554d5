import { ImgctlError } from '../errors/error.ts'
import { connectionFailure } from '../internal/connection-failure.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { redactUrl } from '../internal/redact.ts'
import { causesOf, hasSystemCode } from '../internal/system-code.ts'
import { IDLE_CODE } from './idle-watch.ts'

const NOBODY_THERE = 'check the host and port, the network and HTTPS_PROXY: imgctl doctor'

/**
 * A request that got no (whole) answer. Worth a retry, except where a certificate, the protocol or a proxy is wrong.
 * An ImgctlError from below (a guarded dispatcher refused the address) comes through as it is.
 */
export function transportError(request: { method: string; url: URL }, error: unknown): ImgctlError {
  const causes = causesOf(error)
  const refusal = causes.find((cause) => cause instanceof ImgctlError)
  if (refusal) return refusal
  const fail = (reason: string, retryable: boolean, hint?: string): ImgctlError =>
    new ImgctlError(
      'REGISTRY_UNREACHABLE',
      `registry ${request.url.host}: ${reason} (${request.method} ${redactUrl(request.url)})`,
      { cause: error, retryable, ...(hint ? { hint } : {}) },
    )
  if (causes.some((cause) => hasSystemCode(cause, IDLE_CODE)))
    return fail('no byte went through any more', true)
  const failure = connectionFailure(error, request.url.protocol)
  if (failure === undefined) return fail(makeVisible(`the connection failed (${String(error)})`), true)
  const { kind, reason, hint } = failure
  if (kind === 'absent') return fail(reason, true, hint ?? NOBODY_THERE)
  if (kind !== 'protocol') return fail(reason, kind !== 'refused', hint)
  const isSecure = request.url.protocol === 'https:'
  return fail(
    reason,
    false,
    isSecure ? 'it may speak HTTP: --plain-http' : 'it may speak HTTPS: check the address',
  )
}
