import { errors } from 'undici'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { proxyRefusal } from '../internal/proxy-refusal.ts'
import { redactUrl } from '../internal/redact.ts'
import { IDLE_CODE } from './idle-watch.ts'

/** What the codes of Node, OpenSSL and undici mean, in plain words. */
const REASONS: Readonly<Record<string, string>> = {
  [IDLE_CODE]: 'no byte went through any more',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_ABORTED: 'the connection was closed',
  UND_ERR_DESTROYED: 'the client was closed',
  UND_ERR_CLOSED: 'the client was closed',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name not found (no answer from DNS)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
  ETIMEDOUT: 'no connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'no more bytes in time',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut short',
}

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

/**
 * A request that got no (whole) answer. Worth a retry, except where a certificate or the protocol is wrong.
 * An ImgctlError from below (a guarded dispatcher refused the address) comes through as it is.
 */
export function transportError(request: { method: string; url: URL }, error: unknown): ImgctlError {
  const refusal = causes(error).find((cause) => cause instanceof ImgctlError)
  if (refusal) return refusal
  const code = errorCode(error)
  const fail = (reason: string, hint?: string): ImgctlError =>
    new ImgctlError(
      'REGISTRY_UNREACHABLE',
      `registry ${request.url.host}: ${reason} (${request.method} ${redactUrl(request.url)})`,
      { cause: error, retryable: hint === undefined, ...(hint ? { hint } : {}) },
    )
  if (UNTRUSTED.has(code)) {
    return fail(
      `its certificate is not trusted (${code})`,
      "name your authority's certificate (PEM): --ca-file FILE, or NODE_EXTRA_CA_CERTS=FILE",
    )
  }
  if (OTHER_CERTIFICATE.test(code)) {
    return fail(`its certificate is not valid (${code})`, 'check the host name and the date')
  }
  if (WRONG_PROTOCOL.test(code)) {
    const [spoken, other] = request.url.protocol === 'https:' ? ['HTTPS', 'HTTP'] : ['HTTP', 'HTTPS']
    const way = other === 'HTTP' ? 'it may speak HTTP: --plain-http' : 'it may speak HTTPS: check the address'
    return fail(`it does not speak ${spoken} (${code})`, way)
  }
  const refused = proxyRefusal(error)
  if (refused) return fail(refused.reason, refused.hint)
  return fail(REASONS[code] ?? makeVisible(`the connection failed (${code || String(error)})`))
}

function errorCode(error: unknown): string {
  for (const cause of causes(error)) {
    // Without a code where the answer does not even begin like one.
    if (cause instanceof errors.HTTPParserError) return cause.code ?? 'HPE_INVALID_CONSTANT'
    if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  }
  return ''
}

/** The error, its causes, and the parts of an aggregate (one per address tried), nearest first. */
function causes(error: unknown): unknown[] {
  const found: unknown[] = []
  const visit = (each: unknown): void => {
    if (each === undefined || found.includes(each)) return
    found.push(each)
    if (!(each instanceof Error)) return
    visit(each.cause)
    if (each instanceof AggregateError) each.errors.forEach(visit)
  }
  visit(error)
  return found
}
