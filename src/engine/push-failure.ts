import type { ErrorCode } from '../errors/codes.ts'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'

interface Rule {
  readonly pattern: RegExp
  readonly code: ErrorCode
  readonly retryable?: true
  readonly hint?: string
}

const OTHER_TRANSPORT = 'push past the engine: --via direct'

/**
 * What the text of a failed push means. Engines report it as text and nothing else; this is the only place that
 * reads it. The first rule that matches counts: a cause stands before the message that wraps it.
 */
const RULES: readonly Rule[] = [
  // moby image/tarexport, daemon/containerd/image_push.go; podman libimage: the image went away meanwhile.
  {
    pattern: /does not exist locally|tag does not exist|image not known|no such image/i,
    code: 'IMAGE_NOT_FOUND',
  },
  // Go syscall.ENOSPC.
  { pattern: /no space left on device/, code: 'DISK_FULL' },
  // distribution registry/api/errcode (docker: "toomanyrequests: ..."), containerd "429 Too Many Requests".
  { pattern: /toomanyrequests|429 Too Many Requests/i, code: 'RATE_LIMITED', retryable: true },
  // moby registry client and containerd remotes/docker: no credentials were sent, or the registry wants others.
  { pattern: /no basic auth credentials|unauthorized|401 Unauthorized/i, code: 'AUTH_REQUIRED' },
  // distribution errcode DENIED, containerd "push access denied" and "403 Forbidden", podman "403 (Forbidden)".
  {
    pattern: /(?:^|: )denied: |access denied|resource is denied|insufficient_scope|403 \(?Forbidden/i,
    code: 'FORBIDDEN',
  },
  // nginx and other proxies before a registry; our own transport sends small chunks.
  { pattern: /413 \(?Request Entity Too Large/i, code: 'REGISTRY_ERROR', hint: OTHER_TRANSPORT },
  // Go net/http: the engine speaks HTTPS to a registry without TLS.
  {
    pattern: /server gave HTTP response to HTTPS client/,
    code: 'REGISTRY_UNREACHABLE',
    hint: `add the registry to the engine's insecure-registries, or ${OTHER_TRANSPORT}`,
  },
  // Go crypto/x509 and crypto/tls: the engine does not trust the registry.
  { pattern: /x509: |tls: /, code: 'REGISTRY_UNREACHABLE' },
  // Go net: dial errors, lookups, time limits, proxies.
  {
    pattern:
      /connection refused|no such host|no route to host|network is unreachable|server misbehaving|proxyconnect|dial tcp/,
    code: 'REGISTRY_UNREACHABLE',
  },
  // Go net and io: the connection broke on the way. The engine skips what arrived when it is asked again.
  {
    pattern:
      /connection reset by peer|broken pipe|i\/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout|EOF$/,
    code: 'REGISTRY_UNREACHABLE',
    retryable: true,
  },
  // distribution client ("received unexpected HTTP status: 502 Bad Gateway"), containerd ("unexpected status from
  // PUT request to URL: 502 Bad Gateway"), podman ("502 (Bad Gateway)"): the registry itself has a problem.
  { pattern: /\b50[0234] \(?[A-Z]/, code: 'REGISTRY_ERROR', retryable: true },
  {
    pattern:
      /HTTP status|unexpected status|\b4\d\d \([A-Z]|manifest (?:invalid|unknown)|blob (?:upload )?(?:invalid|unknown)/,
    code: 'REGISTRY_ERROR',
  },
]

/** @returns the error that the engine's own words for a failed push to `registry` mean; ENGINE_ERROR when unknown */
export function pushFailure(registry: string, message: string): ImgctlError {
  const rule = RULES.find(({ pattern }) => pattern.test(message))
  const text = makeVisible(message)
  if (rule === undefined) {
    return new ImgctlError('ENGINE_ERROR', `the engine could not push to ${registry}: ${text}`)
  }
  const hint = rule.hint ?? (rule.code === 'REGISTRY_UNREACHABLE' ? OTHER_TRANSPORT : undefined)
  return new ImgctlError(rule.code, `the engine could not push to ${registry}: ${text}`, {
    retryable: rule.retryable ?? false,
    ...(hint ? { hint } : {}),
  })
}
