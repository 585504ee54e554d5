import type { ReasonCode } from '../../contract/image.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import { ImgctlError } from '../../errors/error.ts'
import { StepFailure } from './reasons.ts'
import { ForbiddenSourceError } from './upstream-guard.ts'

/** What a registry client's failures are to the owner of an image that is fetched. */
const REASONS: Readonly<Partial<Record<ErrorCode, ReasonCode>>> = {
  IMAGE_NOT_FOUND: 'UPSTREAM_NOT_FOUND',
  NOT_FOUND: 'UPSTREAM_NOT_FOUND',
  BLOB_MISSING: 'UPSTREAM_NOT_FOUND',
  NAME_INVALID: 'UPSTREAM_NOT_FOUND',
  AUTH_REQUIRED: 'UPSTREAM_AUTH',
  FORBIDDEN: 'UPSTREAM_AUTH',
  RATE_LIMITED: 'UPSTREAM_RATE_LIMITED',
  REGISTRY_UNREACHABLE: 'UPSTREAM_UNREACHABLE',
  REGISTRY_ERROR: 'UPSTREAM_UNREACHABLE',
  UNSUPPORTED: 'UPSTREAM_UNREACHABLE',
  TIMEOUT: 'UPSTREAM_UNREACHABLE',
}

/** The failure of a fetch in the owner's words; what has nothing to do with the other registry comes back as it is. */
export function upstreamFailure(error: unknown): unknown {
  if (error instanceof ForbiddenSourceError) return new StepFailure('SOURCE_FORBIDDEN', error.message)
  if (!(error instanceof ImgctlError)) return error
  const code = REASONS[error.code]
  if (code === undefined) return error
  return new StepFailure(code, error.message, {
    retryable: error.retryable,
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    cause: error,
  })
}
