import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiError } from '../../contract/server.ts'
import type { ErrorCode } from '../../errors/codes.ts'
import { ImgctlError } from '../../errors/error.ts'
import { sendRefusal } from '../registry/refused-body.ts'
import { diskFull } from '../store/failure.ts'

/** The HTTP status of what a client did or can act on; every other code is a 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  USAGE: 400,
  NAME_INVALID: 400,
  AUTH_REQUIRED: 401,
  FORBIDDEN: 403,
  QUOTA_EXCEEDED: 403,
  NOT_FOUND: 404,
  IMAGE_NOT_FOUND: 404,
  NAME_TAKEN: 409,
  CONFLICT: 409,
  PRECONDITION_FAILED: 412,
  TOO_LARGE: 413,
  UNSUPPORTED: 415,
  ARCH_MISMATCH: 422,
  MANIFEST_INVALID: 422,
  DIGEST_MISMATCH: 422,
  BLOB_MISSING: 422,
  IMAGE_REJECTED: 422,
  RATE_LIMITED: 429,
  REGISTRY_ERROR: 502,
  REGISTRY_UNREACHABLE: 502,
  TIMEOUT: 504,
  DISK_FULL: 507,
}
/** Fastify's own refusals (a body too large, not JSON, of an unknown type), by status. */
const FRAMEWORK_CODES: Readonly<Record<number, ErrorCode>> = { 413: 'TOO_LARGE', 415: 'UNSUPPORTED' }
/** RFC 9110, section 15.5.2: a 401 says how to authenticate. */
const CHALLENGE = 'Bearer realm="imgctl"'
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT'])
const MAX_CAUSES = 10

export function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? 500
}

/**
 * Any thrown value as an error that may be shown to the client. What is not an ImgctlError and not the client's
 * doing becomes INTERNAL without its text, which may hold anything; DISK_FULL is told wherever it comes from.
 */
export function toImgctlError(error: unknown): ImgctlError {
  if (error instanceof ImgctlError) return error
  if (isDiskFull(error)) return diskFull(error)
  if (isClientFault(error)) {
    const code = FRAMEWORK_CODES[error.statusCode ?? 400] ?? 'BAD_REQUEST'
    return new ImgctlError(code, error.message, { cause: error })
  }
  return new ImgctlError('INTERNAL', 'the server failed', {
    hint: "the server's log has the cause under this request id",
    cause: error,
  })
}

/** The answer to everything that throws under /api. A body that is refused with it is not read to its end. */
export function replyWithError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const shown = toImgctlError(error)
  const statusCode = statusOf(shown.code)
  if (statusCode >= 500) request.log.error({ err: error, code: shown.code }, 'request failed')
  if (statusCode === 401) reply.header('www-authenticate', CHALLENGE)
  if (shown.retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(shown.retryAfter)))
  reply.code(statusCode).type('application/json; charset=utf-8')
  return sendRefusal(request, reply, JSON.stringify(errorBody(shown, request)))
}

export function notFound(request: FastifyRequest): never {
  throw new ImgctlError('NOT_FOUND', `there is no ${request.method} ${pathOf(request)}`, {
    hint: 'GET /api/openapi.json lists what there is',
  })
}

/** The path without the query, which may hold a secret. */
export function pathOf(request: Pick<FastifyRequest, 'originalUrl'>): string {
  return request.originalUrl.split('?', 1)[0] ?? ''
}

function errorBody(error: ImgctlError, request: FastifyRequest): ApiError {
  const statusCode = statusOf(error.code)
  const generic = error.code === 'INTERNAL' || error.code === 'SERVER_ERROR'
  return {
    statusCode,
    code: error.code,
    error: STATUS_CODES[statusCode] ?? 'Error',
    message: generic ? 'the server failed' : error.message,
    hint: error.hint ?? null,
    requestId: request.id,
    path: pathOf(request),
    timestamp: new Date().toISOString(),
  }
}

function isClientFault(error: unknown): error is FastifyError {
  if (!(error instanceof Error) || !('code' in error || 'validation' in error)) return false
  const { statusCode } = error as FastifyError
  const ours = String((error as FastifyError).code).startsWith('FST_') || 'validation' in error
  return ours && statusCode !== undefined && statusCode >= 400 && statusCode < 500
}

/** Whether a full disk, or quota, is what a failure comes from. */
export function isDiskFull(error: unknown): boolean {
  let each: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && each instanceof Error; depth++, each = each.cause) {
    if ('code' in each && NO_SPACE.has(String(each.code))) return true
  }
  return false
}
