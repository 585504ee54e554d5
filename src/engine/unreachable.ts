import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { hasSystemCode, systemCode } from '../internal/system-code.ts'
import type { Endpoint } from './endpoint.ts'
import type { Place } from './locate.ts'

/** A place where no engine answered, and the error it gave. */
export interface FailedPlace extends Place {
  readonly error: unknown
}

/** What a system error means for a connection to an engine. https://nodejs.org/api/errors.html#common-system-errors */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nothing listens there',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTSOCK: 'it is not a socket',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be looked up',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
}

/** Why an engine did not answer, in words. */
export function unreachableReason(error: unknown): string {
  const reason = REASONS[systemCode(error) ?? '']
  if (reason !== undefined) return reason
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time'
  return makeVisible(error instanceof Error ? error.message : String(error))
}

/** @returns ENGINE_UNREACHABLE with a line for each place where something is */
export function noEngine(failed: readonly FailedPlace[]): ImgctlError {
  const [only] = failed
  const message =
    failed.length === 1 && only
      ? `no container engine at ${only.endpoint.host} (${only.origin}): ${unreachableReason(only.error)}`
      : 'no container engine answers on this machine'
  return new ImgctlError('ENGINE_UNREACHABLE', message, {
    context: failed.length === 1 ? [] : placesOf(failed),
    hint: hintFor(failed),
    cause: only?.error,
  })
}

/** @returns ENGINE_UNREACHABLE for an engine that answered before and is gone now; the same call may work later */
export function engineGone(endpoint: Endpoint, during: string, cause: unknown): ImgctlError {
  const reason = unreachableReason(cause)
  return new ImgctlError(
    'ENGINE_UNREACHABLE',
    `lost the engine at ${endpoint.host} during ${during}: ${reason}`,
    {
      retryable: true,
      hint: 'see whether the engine still runs: docker version',
      cause,
    },
  )
}

/** Places where nothing is are many, and tell nothing one by one. */
function placesOf(failed: readonly FailedPlace[]): string[] {
  const present = failed.filter(({ error }) => !hasSystemCode(error, 'ENOENT'))
  const absent = failed.length - present.length
  const lines = present.map(
    ({ origin, endpoint, error }) => `${endpoint.host} (${origin}): ${unreachableReason(error)}`,
  )
  const more = lines.length > 0 ? 'more' : 'usual places'
  return absent === 0 ? lines : [...lines, `no socket at ${absent} ${more}: imgctl doctor lists them`]
}

function hintFor(failed: readonly FailedPlace[]): string {
  if (failed.some(({ error }) => hasSystemCode(error, 'EACCES', 'EPERM'))) {
    return 'your user may not use the engine: sudo usermod -aG docker "$USER", then log in again'
  }
  if (failed.length === 1)
    return 'start it, or name another (--host, --context); an archive needs none: imgctl image push ./app.tar'
  return 'start Docker or Podman, or push an archive, which needs no engine: imgctl image push ./app.tar'
}
