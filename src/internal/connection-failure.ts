import { errors } from 'undici'
import { ProxyError } from './proxy-error.ts'
import { causesOf, systemCode } from './system-code.ts'

/** Why a request got no (whole) answer. */
export interface ConnectionFailure {
  /**
   * - `lost`: the other side was reached and then lost, or is slow
   * - `absent`: nobody was reached
   * - `protocol`: it speaks TLS and should not, or the other way round
   * - `refused`: another try ends the same way
   */
  readonly kind: 'lost' | 'absent' | 'protocol' | 'refused'
  /** In plain words: `connection refused`, `its certificate is not trusted (CERT_UNTRUSTED)`. */
  readonly reason: string
  /** What mends it, where the failure tells. */
  readonly hint?: string
}

const LOST: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_ABORTED: 'the connection was closed',
  UND_ERR_DESTROYED: 'the client was closed',
  UND_ERR_CLOSED: 'the client was closed',
  ETIMEDOUT: 'no connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no more bytes in time',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut short',
}

const ABSENT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found (no answer from DNS)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const UNTRUSTED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
])
const OTHER_CERTIFICATE = /^(CERT_|ERR_TLS_CERT_)/
/** TLS was spoken to something that does not speak it, or the other way round. */
const WRONG_PROTOCOL = /^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|HPE_)/

/** RFC 1928, section 6: general failure, network or host unreachable, connection refused: the host, not the proxy. */
const SOCKS_UNREACHED = /REPLY_[1345]$/

/**
 * Reads the codes of Node, OpenSSL and undici, and what a proxy did, from an error of a request.
 *
 * @param protocol what was spoken: `https:` or `http:`
 * @returns undefined for an error that no network caused
 */
export function connectionFailure(error: unknown, protocol: string): ConnectionFailure | undefined {
  const causes = causesOf(error)
  const proxy = causes.find((cause) => cause instanceof ProxyError)
  if (proxy) return proxyFailure(proxy)
  const socks = causes.find(isSocksError)
  if (socks) return socksFailure(socks)
  const code = networkCode(error)
  if (code === undefined) return undefined
  if (UNTRUSTED.has(code)) {
    return {
      kind: 'refused',
      reason: `its certificate is not trusted (${code})`,
      hint: "name your authority's certificate (PEM): --ca-file FILE, or NODE_EXTRA_CA_CERTS=FILE",
    }
  }
  if (OTHER_CERTIFICATE.test(code)) {
    return {
      kind: 'refused',
      reason: `its certificate is not valid (${code})`,
      hint: 'check the host name and the date',
    }
  }
  if (WRONG_PROTOCOL.test(code)) {
    const spoken = protocol === 'https:' ? 'HTTPS' : 'HTTP'
    return { kind: 'protocol', reason: `it does not speak ${spoken} (${code})` }
  }
  const lost = LOST[code]
  if (lost !== undefined) return { kind: 'lost', reason: lost }
  return { kind: 'absent', reason: ABSENT[code] ?? `the connection failed (${code})` }
}

function proxyFailure({ variable, host, protocol, status, cause }: ProxyError): ConnectionFailure {
  const proxy = `the proxy ${host} (${variable})`
  const otherwise = `check ${variable}; NO_PROXY=HOST keeps a host from the proxy`
  if (status === undefined) {
    const { kind, reason, hint } = connectionFailure(cause, protocol) ?? UNKNOWN
    return {
      kind: kind === 'protocol' ? 'refused' : kind,
      reason: `${proxy} cannot be used: ${reason}`,
      hint: hint ?? otherwise,
    }
  }
  const reason = `${proxy} answered ${status}`
  if (status === 407) {
    const example = `${variable}=http://USER:PASSWORD@${host}`
    return { kind: 'refused', reason, hint: `it wants a user and a password: ${example}` }
  }
  // 502, 503 and 504: for the moment the proxy does not reach the host either.
  return { kind: status >= 500 ? 'absent' : 'refused', reason, hint: otherwise }
}

function isSocksError(error: unknown): error is Error {
  return error instanceof Error && (systemCode(error)?.startsWith('UND_ERR_SOCKS5') ?? false)
}

/** Its messages are undici's own: nothing that the proxy sent is in them. */
function socksFailure(error: Error): ConnectionFailure {
  return {
    kind: SOCKS_UNREACHED.test(systemCode(error) ?? '') ? 'absent' : 'refused',
    reason: `the SOCKS proxy opened no way (${error.message})`,
    hint: 'check HTTPS_PROXY and HTTP_PROXY; NO_PROXY=HOST keeps a host from the proxy',
  }
}

const UNKNOWN: ConnectionFailure = { kind: 'absent', reason: 'the connection failed' }

function networkCode(error: unknown): string | undefined {
  for (const cause of causesOf(error)) {
    // Without a code where the answer does not even begin like one.
    if (cause instanceof errors.HTTPParserError) return cause.code ?? 'HPE_INVALID_CONSTANT'
    const code = systemCode(cause)
    if (code !== undefined) return code
  }
  return undefined
}
