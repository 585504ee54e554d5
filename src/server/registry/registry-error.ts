import { isCode } from '../../errors/error.ts'

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes, and our own for status 5xx. */
export type RegistryErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  | 'DISK_FULL'
  | 'UNKNOWN'

export interface RegistryErrorDetails {
  readonly detail?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** An error as the distribution protocol words it: an HTTP status and one code of a closed list. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly status: number
  readonly code: RegistryErrorCode
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: RegistryErrorCode,
    message: string,
    { detail, headers }: RegistryErrorDetails = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.detail = detail
    this.headers = headers ?? {}
  }

  /** One entry per missing digest, when there are several: clients show them all. */
  toBody(): { errors: { code: string; message: string; detail?: unknown }[] } {
    const details = Array.isArray(this.detail) ? this.detail : [this.detail]
    return {
      errors: details.map((detail) => ({
        code: this.code,
        message: this.message,
        ...(detail === undefined ? {} : { detail }),
      })),
    }
  }
}

/** What the protocol says of an error of the server's other parts; undefined for a defect. */
export function toRegistryError(error: unknown): RegistryError | undefined {
  if (error instanceof RegistryError) return error
  if (!isCode(error, ...MAPPED_CODES)) return undefined
  const { status, code } = MAPPING[error.code as MappedCode]
  const message = error.hint ? `${error.message}: ${error.hint}` : error.message
  return new RegistryError(status, code, message, {
    ...(error.context.length > 0 ? { detail: error.context.map((digest) => ({ digest })) } : {}),
    ...(error.retryAfter === undefined ? {} : { headers: { 'retry-after': String(error.retryAfter) } }),
  })
}

const MAPPING = {
  DIGEST_MISMATCH: { status: 400, code: 'DIGEST_INVALID' },
  MANIFEST_INVALID: { status: 400, code: 'MANIFEST_INVALID' },
  BLOB_MISSING: { status: 400, code: 'MANIFEST_BLOB_UNKNOWN' },
  NAME_INVALID: { status: 400, code: 'NAME_INVALID' },
  BAD_REQUEST: { status: 400, code: 'BLOB_UPLOAD_INVALID' },
  FORBIDDEN: { status: 403, code: 'DENIED' },
  QUOTA_EXCEEDED: { status: 403, code: 'DENIED' },
  NOT_FOUND: { status: 404, code: 'BLOB_UPLOAD_UNKNOWN' },
  TIMEOUT: { status: 408, code: 'BLOB_UPLOAD_INVALID' },
  CONFLICT: { status: 409, code: 'BLOB_UPLOAD_INVALID' },
  NAME_TAKEN: { status: 409, code: 'DENIED' },
  TOO_LARGE: { status: 413, code: 'SIZE_INVALID' },
  RATE_LIMITED: { status: 429, code: 'TOOMANYREQUESTS' },
  DISK_FULL: { status: 507, code: 'DISK_FULL' },
} as const satisfies Partial<Record<string, { status: number; code: RegistryErrorCode }>>

type MappedCode = keyof typeof MAPPING
const MAPPED_CODES = Object.keys(MAPPING) as MappedCode[]

export function nameUnknown(name: string): RegistryError {
  return new RegistryError(404, 'NAME_UNKNOWN', 'repository name not known to registry', { detail: { name } })
}

export function blobUnknown(digest: string): RegistryError {
  return new RegistryError(404, 'BLOB_UNKNOWN', 'blob unknown to this repository', { detail: { digest } })
}

export function manifestUnknown(reference: string): RegistryError {
  return new RegistryError(404, 'MANIFEST_UNKNOWN', 'manifest unknown to this repository', {
    detail: { reference },
  })
}
