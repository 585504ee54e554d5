import { type ErrorCode, EXIT_CODES } from '../errors/codes.ts'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { isRecord } from '../internal/is-record.ts'
import { isLoopback } from '../internal/loopback.ts'
import { redactUrl } from '../internal/redact.ts'
import type { Answer } from './answer.ts'

/** Enough to recognise a proxy's page by. */
const SNIPPET_LENGTH = 120

/** What a status means when the answer names no code that is known here. */
const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  401: 'AUTH_REQUIRED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  412: 'PRECONDITION_FAILED',
  413: 'TOO_LARGE',
  422: 'BAD_REQUEST',
  429: 'RATE_LIMITED',
}
/** Statuses that pass by themselves. */
const TRANSIENT = new Set([408, 425, 429, 502, 503, 504])
/** Codes that would say that this program, not the server, failed or was stopped. */
const OURS: readonly string[] = ['INTERNAL', 'INTERRUPTED', 'TERMINATED', 'INPUT_REQUIRED', 'OUTPUT_CLOSED']

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** The error of an answer that is not 2xx: in the server's own words when it is an imgctl server. */
export function answerError(server: string, answer: Answer): ImgctlError {
  const { status } = answer
  if (status >= 300 && status < 400) return redirected(server, answer)
  // To a HEAD, what says more is not sent.
  const isBare = answer.body === '' && answer.requestId !== undefined
  const body = isBare ? {} : parseBody(answer.body)
  if (!body) return status === 401 ? unauthorized(server, answer) : notJson(server, answer)
  const code = errorCode(body['code'], status)
  const hint = text(body['hint']) ?? (code === 'AUTH_REQUIRED' ? loginHint(server) : undefined)
  const requestId = text(body['requestId']) ?? answer.requestId
  return new ImgctlError(code, errorMessage(body, status), {
    status,
    retryable: TRANSIENT.has(status),
    ...(hint === undefined ? {} : { hint }),
    ...(requestId === undefined ? {} : { requestId }),
    ...retryAfter(answer),
  })
}

/** The error of an answer that is no JSON: a proxy's page, another service, a body cut short. */
export function notJson(server: string, answer: Answer): ImgctlError {
  const { status, body, requestId } = answer
  const snippet = makeVisible(
    body
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  ).slice(0, SNIPPET_LENGTH)
  const what = snippet === '' ? 'nothing' : JSON.stringify(snippet)
  return new ImgctlError('SERVER_ERROR', `${server} answered ${status} with ${what} instead of JSON`, {
    status,
    retryable: TRANSIENT.has(status),
    hint: 'is this the URL of an imgctl server? A proxy in between may have answered',
    ...(requestId === undefined ? {} : { requestId }),
    ...retryAfter(answer),
  })
}

function redirected(server: string, { status, location }: Answer): ImgctlError {
  const target =
    location === undefined
      ? 'nowhere'
      : redactUrl(URL.canParse(location, server) ? new URL(location, server) : location)
  return new ImgctlError('SERVER_ERROR', `${server} redirects to ${target}`, {
    status,
    hint: 'the key is not sent elsewhere: give the server by the URL that it redirects to',
  })
}

function unauthorized(server: string, { status }: Answer): ImgctlError {
  return new ImgctlError('AUTH_REQUIRED', `${server} does not accept the key`, {
    status,
    hint: loginHint(server),
  })
}

function loginHint(server: string): string {
  return isLoopback(server) ? 'imgctl login' : `imgctl login --server ${server}`
}

function errorCode(code: unknown, status: number): ErrorCode {
  if (typeof code === 'string' && Object.hasOwn(EXIT_CODES, code) && !OURS.includes(code))
    return code as ErrorCode
  return STATUS_CODES[status] ?? 'SERVER_ERROR'
}

function errorMessage({ message, error }: Readonly<Record<string, unknown>>, status: number): string {
  if (Array.isArray(message)) return message.filter((line) => typeof line === 'string').join('; ')
  return text(message) ?? text(error) ?? `the server answered ${status}`
}

function retryAfter({ retryAfter }: Answer): { readonly retryAfter?: number } {
  if (retryAfter === undefined) return {}
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000
  return Number.isFinite(seconds) ? { retryAfter: Math.max(0, seconds) } : {}
}

function parseBody(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body)
    return isRecord(json) ? json : undefined
  } catch {
    return undefined
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
