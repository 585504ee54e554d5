import { isLoopback } from '../config/server-url.ts'
import { ImgctlError } from '../errors/error.ts'
import { proxyRefusal } from '../internal/proxy-refusal.ts'

/** The other side was reached and then lost, or is slow: worth another try whatever was before. */
const PASSING = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/

/**
 * The error of a call that got no answer; what the network did not cause is given back as it is.
 *
 * @param hasAnswered whether this server answered before: then a refused connection may be a restart
 */
export function connectionError(server: string, cause: unknown, hasAnswered: boolean): unknown {
  const refused = proxyRefusal(cause)
  if (refused) {
    const { reason, hint } = refused
    return new ImgctlError('SERVER_UNREACHABLE', `cannot reach the server ${server}: ${reason}`, {
      cause,
      hint,
    })
  }
  const code = systemCode(cause)
  if (code === undefined) return cause
  return new ImgctlError('SERVER_UNREACHABLE', `cannot reach the server ${server}: ${describe(code)}`, {
    cause,
    retryable: PASSING.has(code) || (hasAnswered && code === 'ECONNREFUSED'),
    hint: hint(server, code),
  })
}

function hint(server: string, code: string): string {
  if (CERTIFICATE.test(code))
    return 'a private certificate authority is named with --ca-file FILE, or NODE_EXTRA_CA_CERTS=FILE'
  if (code === 'ECONNREFUSED' && isLoopback(server)) return 'start one here: imgctl serve'
  return 'check the URL (--server, IMGCTL_SERVER, imgctl profile list), the network and HTTPS_PROXY'
}

function describe(code: string): string {
  if (CERTIFICATE.test(code)) return `its TLS certificate is not trusted (${code})`
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its host name is not known'
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'the connection broke'
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return 'no connection in time'
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'no answer in time'
    default:
      return code
  }
}

/** The first code in the chain of causes: Node wraps several addresses' failures in one AggregateError. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof ImgctlError) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return systemCode(error instanceof AggregateError ? error.errors[0] : error.cause)
}
