import { type ErrorCode, EXIT_CODES } from './codes.ts'

export interface ErrorDetails {
  /** What to do next, as a sentence or a command that works. */
  readonly hint?: string
  /** Whether the same call may succeed later without any change. */
  readonly retryable?: boolean
  /** The HTTP status, when a server or registry answered with one. */
  readonly status?: number
  /** The server's request id, to find the request in its log. */
  readonly requestId?: string
  /** Seconds the other side asked to wait (`Retry-After`). */
  readonly retryAfter?: number
  /** Lines that explain the message and are shown under it (a caret, a list of places tried). */
  readonly context?: readonly string[]
  readonly cause?: unknown
}

/** An error that a user can act on: a stable code, a message in the user's words, a hint. Match on the code. */
export class ImgctlError extends Error {
  override readonly name = 'ImgctlError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly retryAfter: number | undefined
  readonly context: readonly string[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.retryable = details.retryable ?? false
    this.status = details.status
    this.requestId = details.requestId
    this.retryAfter = details.retryAfter
    this.context = details.context ?? []
  }

  get exitCode(): number {
    return EXIT_CODES[this.code]
  }
}

/** `error` as an ImgctlError with `code`, or undefined: `isCode(e, 'IMAGE_NOT_FOUND')`. */
export function isCode(error: unknown, ...codes: ErrorCode[]): error is ImgctlError {
  return error instanceof ImgctlError && codes.includes(error.code)
}
