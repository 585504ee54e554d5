import { STATUS_CODES } from 'node:http'
import type { ErrorCode } from '../errors/codes.ts'
import { type ErrorDetails, ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { redactUrl } from '../internal/redact.ts'
import type { HttpAnswer } from './http.ts'
import { retryAfterOf } from './retry-after.ts'

/** What is read of an error's body: enough for any message, too little to hurt. */
const MAX_ERROR_BYTES = 16 * 1024
const MAX_MESSAGE_LENGTH = 300

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes */
const SPEC_CODES: Readonly<Record<string, ErrorCode>> = {
  BLOB_UNKNOWN: 'BLOB_MISSING',
  DENIED: 'FORBIDDEN',
  DIGEST_INVALID: 'DIGEST_MISMATCH',
  MANIFEST_BLOB_UNKNOWN: 'BLOB_MISSING',
  MANIFEST_INVALID: 'MANIFEST_INVALID',
  MANIFEST_UNKNOWN: 'IMAGE_NOT_FOUND',
  NAME_INVALID: 'NAME_INVALID',
  NAME_UNKNOWN: 'IMAGE_NOT_FOUND',
  QUOTA_EXCEEDED: 'QUOTA_EXCEEDED',
  SIZE_INVALID: 'DIGEST_MISMATCH',
  TOOMANYREQUESTS: 'RATE_LIMITED',
  UNAUTHORIZED: 'AUTH_REQUIRED',
  UNSUPPORTED: 'UNSUPPORTED',
}

const STATUS_ERRORS: Readonly<Record<number, ErrorCode>> = {
  401: 'AUTH_REQUIRED',
  403: 'FORBIDDEN',
  405: 'UNSUPPORTED',
  409: 'CONFLICT',
  412: 'PRECONDITION_FAILED',
  413: 'TOO_LARGE',
  429: 'RATE_LIMITED',
  501: 'UNSUPPORTED',
  507: 'DISK_FULL',
}
/** These statuses say more than the code in the body, which some registries choose freely. */
const STATUS_FIRST = [401, 403, 413, 429, 507]
const RETRYABLE = [408, 425, 429, 500, 502, 503, 504]

/** An answer that is a failure. `specCode` is the registry's own code, when the body had one. */
export class RegistryError extends ImgctlError {
  readonly specCode: string | undefined
  /** The `Server` header, fit for a terminal: who answered, when a proxy stands in front. */
  readonly answeredBy: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails & { specCode?: string | undefined; answeredBy?: string | undefined },
  ) {
    super(code, message, details)
    this.specCode = details.specCode
    this.answeredBy = details.answeredBy
  }
}

/**
 * Reads a failed answer into an error.
 *
 * @param notFound the code of a plain 404, which depends on what was asked for
 */
export async function answerError(
  answer: HttpAnswer,
  notFound: ErrorCode = 'NOT_FOUND',
): Promise<RegistryError> {
  const text = await readStart(answer)
  const body = describeBody(answer, text)
  const status = `${answer.status} ${STATUS_CODES[answer.status] ?? ''}`.trim()
  const said = body.html
    ? `answered with an HTML page (${status})`
    : `answered ${status}${body.message ? `: ${body.message}` : ''}`
  const { method, url } = answer.request
  const requestId = answer.header('x-request-id')
  const retryAfter = retryAfterOf(answer)
  const server = answer.header('server')
  return new RegistryError(
    errorCode(answer.status, body.code, notFound),
    `registry ${url.host} ${said} (${method} ${redactUrl(answer.url)})`,
    {
      status: answer.status,
      // 409 with a wait: the upload session is still held by a connection that is gone.
      retryable: RETRYABLE.includes(answer.status) || (answer.status === 409 && retryAfter !== undefined),
      specCode: body.code,
      answeredBy: server === undefined ? undefined : oneLine(server),
      ...(requestId === undefined ? {} : { requestId: oneLine(requestId) }),
      ...(retryAfter === undefined ? {} : { retryAfter }),
    },
  )
}

/** An answer that breaks the protocol, in one sentence: `registry HOST <problem> (GET URL)`. */
export function protocolError(answer: HttpAnswer, problem: string, code: ErrorCode = 'REGISTRY_ERROR') {
  const { method, url } = answer.request
  return new ImgctlError(code, `registry ${url.host} ${problem} (${method} ${redactUrl(answer.url)})`, {
    status: answer.status,
  })
}

/** Whether a page for people came where an answer for programs was due: a proxy, or no registry at all. */
export function isHtml(answer: HttpAnswer): boolean {
  return /^text\/html\b/i.test(answer.header('content-type') ?? '')
}

function errorCode(status: number, specCode: string | undefined, notFound: ErrorCode): ErrorCode {
  const byStatus = STATUS_ERRORS[status]
  if (byStatus && STATUS_FIRST.includes(status)) return byStatus
  if (status >= 500) return byStatus ?? 'REGISTRY_ERROR'
  const byCode = specCode === undefined ? undefined : SPEC_CODES[specCode]
  return byCode ?? byStatus ?? (status === 404 ? notFound : 'REGISTRY_ERROR')
}

interface ErrorBody {
  readonly html: boolean
  readonly code?: string
  readonly message?: string
}

function describeBody(answer: HttpAnswer, text: string): ErrorBody {
  if (isHtml(answer) || /^\s*<(!doctype|html)/i.test(text)) return { html: true }
  const first = firstError(text)
  if (first === undefined) return { html: false, message: oneLine(text) }
  const message = [first.code, first.message].filter((part) => part).join(': ')
  return { html: false, code: first.code, message: oneLine(message) }
}

function firstError(text: string): { code: string; message: string } | undefined {
  try {
    const error = (JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] })?.errors?.[0]
    if (typeof error?.code !== 'string') return undefined
    return { code: error.code, message: typeof error.message === 'string' ? error.message : '' }
  } catch {
    return undefined
  }
}

/** Text from outside as one short, harmless line. */
export function oneLine(text: string): string {
  const line = makeVisible(text.trim().replace(/\s+/g, ' '))
  return line.length > MAX_MESSAGE_LENGTH ? `${line.slice(0, MAX_MESSAGE_LENGTH)}...` : line
}

async function readStart(answer: HttpAnswer): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.byteLength
      if (length >= MAX_ERROR_BYTES) break
    }
  } catch {
    // What came before the cut is shown.
  }
  return Buffer.concat(chunks).toString('utf8')
}
