import { ImgctlError } from '../errors/error.ts'
import { type ConnectionFailure, connectionFailure } from '../internal/connection-failure.ts'
import { isLoopback } from '../internal/loopback.ts'
import { causesOf } from '../internal/system-code.ts'

/**
 * The error of a call that got no answer; what the network did not cause is given back as it is.
 *
 * @param hasAnswered whether this server answered before: then a refused connection may be a restart
 */
export function connectionError(server: string, cause: unknown, hasAnswered: boolean): unknown {
  if (causesOf(cause).some((each) => each instanceof ImgctlError)) return cause
  const failure = connectionFailure(cause, new URL(server).protocol)
  if (failure === undefined) return cause
  const { kind, reason } = failure
  return new ImgctlError('SERVER_UNREACHABLE', `cannot reach the server ${server}: ${reason}`, {
    cause,
    retryable: kind === 'lost' || (hasAnswered && kind === 'absent'),
    hint: failure.hint ?? hintFor(server, failure),
  })
}

function hintFor(server: string, { kind }: ConnectionFailure): string {
  if (kind === 'protocol') return `try ${otherProtocol(server)}`
  if (kind === 'absent' && isLoopback(server)) return 'start one here: imgctl serve'
  return 'check the URL (--server, IMGCTL_SERVER, imgctl profile list), the network and HTTPS_PROXY'
}

function otherProtocol(server: string): string {
  return server.startsWith('https:') ? server.replace('https:', 'http:') : server.replace('http:', 'https:')
}
