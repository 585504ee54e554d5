import type { ErrorCode } from '../errors/codes.ts'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'

/** What a piece of an engine's text means. */
export interface Rule {
  readonly pattern: RegExp
  readonly code: ErrorCode
  readonly retryable?: true
  readonly hint?: string
}

/** What the engine was asked to do, and what its text means there before all else. */
export interface Errand {
  /** `push to` */
  readonly doing: string
  readonly rules: readonly Rule[]
  /** What to do about it, by code. */
  readonly hints: (registry: string) => Partial<Record<ErrorCode, string>>
}

/**
 * What the text of a failed transfer means. Engines report it as text and nothing else; these tables are the only
 * places that read it. The first rule that matches counts: a cause stands before the message that wraps it.
 */
const RULES: readonly Rule[] = [
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
  // Go net/http: the engine speaks HTTPS to a registry without TLS.
  {
    pattern: /server gave HTTP response to HTTPS client/,
    code: 'REGISTRY_UNREACHABLE',
    hint: "add the registry to the engine's insecure-registries",
  },
  // Go crypto/x509 and crypto/tls: the engine does not trust the registry.
  {
    pattern: /x509: |tls: /,
    code: 'REGISTRY_UNREACHABLE',
    hint: 'give the engine the certificate, too: --ca-file and --insecure do not reach it',
  },
  // Go net: dial errors, lookups, time limits, proxies.
  {
    pattern:
      /connection refused|no such host|no route to host|network is unreachable|server misbehaving|proxyconnect|dial tcp/,
    code: 'REGISTRY_UNREACHABLE',
  },
  // Go net and io: the connection broke on the way. The engine skips what arrived when it is asked again.
  {
    pattern:
      /connection reset by peer|use of closed network connection|broken pipe|i\/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout|EOF$/,
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

/** @returns the error that the engine's own words for a failed transfer mean; ENGINE_ERROR when unknown */
export function registryFailure(
  { doing, rules, hints }: Errand,
  registry: string,
  message: string,
): ImgctlError {
  const rule = [...rules, ...RULES].find(({ pattern }) => pattern.test(message))
  const code = rule?.code ?? 'ENGINE_ERROR'
  const ways = [rule?.hint, hints(registry)[code]].filter(Boolean)
  return new ImgctlError(code, `the engine could not ${doing} ${registry}: ${makeVisible(message)}`, {
    retryable: rule?.retryable ?? false,
    ...(ways.length > 0 ? { hint: ways.join(', or ') } : {}),
  })
}
