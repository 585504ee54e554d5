import type { Reason, ReasonCode } from '../../contract/image.ts'
import { REASON_CODES } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'

/** What to do about each reason, unless the failure knows something better. */
export const DEFAULT_HINTS: Readonly<Record<ReasonCode, string>> = {
  ARCH_MISMATCH: 'build it for a platform that the server runs: docker buildx build --platform linux/amd64',
  MANIFEST_INVALID: 'push the image again with a current client; the manifest is not one that can be run',
  BLOB_MISSING: 'push the image again: a part of it is not on the server',
  DIGEST_MISMATCH: 'push or fetch the image again; if it happens twice the source is damaged',
  TOO_LARGE:
    'make the image smaller (a multi-stage build, fewer files), or ask an administrator for a higher limit',
  QUOTA_EXCEEDED: 'delete images that are no longer needed, then retry this one',
  NO_ENTRYPOINT: 'say what to run: --entrypoint "sleep infinity"',
  UPSTREAM_NOT_FOUND:
    'check the reference; a private repository also answers so without the right credentials',
  UPSTREAM_AUTH: 'add or correct the credentials of that registry, then retry',
  UPSTREAM_RATE_LIMITED: 'wait, or add credentials of that registry: a known user may fetch more',
  UPSTREAM_UNREACHABLE: 'check that the registry is up and that the server may reach it, then retry',
  SOURCE_FORBIDDEN: 'fetch from a public registry, or have the server started with --allow-upstream HOST',
  TIMEOUT: 'retry; if it happens again the image may be too large for the connection',
  INTERNAL: "retry; if it happens again the server's log says why",
}

export interface FailureDetails {
  readonly hint?: string
  /** The server tries again by itself. */
  readonly retryable?: boolean
  /** Seconds the other side asked to wait. */
  readonly retryAfter?: number
  readonly cause?: unknown
}

/** Why a step of the reconciler did not succeed, in the words that the image's owner reads. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure'
  readonly code: ReasonCode
  readonly hint: string
  readonly retryable: boolean
  readonly retryAfter: number | undefined

  constructor(code: ReasonCode, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint ?? DEFAULT_HINTS[code]
    this.retryable = details.retryable ?? false
    this.retryAfter = details.retryAfter
  }
}

/**
 * Any error as a failure. An ImgctlError whose code is a reason too keeps code and message; anything else is a
 * fault of the server: its text may hold internals, so the owner gets a general one and the log the rest.
 */
export function toFailure(error: unknown): StepFailure {
  if (error instanceof StepFailure) return error
  if (error instanceof ImgctlError && isReasonCode(error.code)) {
    return new StepFailure(error.code, error.message, {
      ...(error.hint ? { hint: error.hint } : {}),
      retryable: error.retryable,
      cause: error,
    })
  }
  return new StepFailure('INTERNAL', 'the server failed while it processed the image', {
    retryable: true,
    cause: error,
  })
}

/** @param nextTry when the server tries again by itself, milliseconds since 1970; undefined: not */
export function toReason(failure: StepFailure, at: number, attempt: number, nextTry?: number): Reason {
  const { code, message, hint, retryable } = failure
  const next = nextTry === undefined ? {} : { nextTryAt: new Date(nextTry).toISOString() }
  return { code, message, hint, retryable, at: new Date(at).toISOString(), attempt, ...next }
}

function isReasonCode(code: string): code is ReasonCode {
  return (REASON_CODES as readonly string[]).includes(code)
}
