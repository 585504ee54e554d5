import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ApiError } from '../../contract/server.ts'
import type { ErrorCode } from '../../errors/codes.ts'

/** What Node's parser may say about bytes that are no request, or not in time. */
const REFUSALS: Readonly<Record<string, { status: number; code: ErrorCode; message: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'TOO_LARGE', message: 'the headers are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'TIMEOUT', message: 'the request did not come in time' },
}
const MALFORMED = { status: 400, code: 'BAD_REQUEST', message: 'this is not an HTTP request' } as const

/** Answers what never became a request, in the form of every other error, and closes the connection. */
export function answerClientError(error: Error & { code: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, code, message } = REFUSALS[error.code] ?? MALFORMED
  const reason = STATUS_CODES[status] ?? 'Error'
  const body: ApiError = {
    statusCode: status,
    code,
    error: reason,
    message,
    hint: null,
    requestId: randomUUID(),
    path: '',
    timestamp: new Date().toISOString(),
  }
  const text = JSON.stringify(body)
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    `X-Request-Id: ${body.requestId}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}
