import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { IdleWatch } from './idle-watch.ts'
import { OutgoingBody, type RequestBody } from './request-body.ts'
import { transportError } from './transport-error.ts'

/** No byte moved for this long, in either direction: the connection is taken for dead. */
export const IDLE_TIMEOUT_MS = 30_000
/** What was handed over may be in the system's buffers still, which hold so much (tcp_wmem of Linux) ... */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
/** ... and leave on a line that is slow, but worth waiting for. */
export const SLOWEST_BYTES_PER_SECOND = 64 * 1024
/** A registry may hash, copy and sync a whole blob before it confirms it. */
export const COMMIT_TIMEOUT_MS = 10 * 60_000
/** The distribution specification has one redirect at most; storage in front of storage has been seen. */
const MAX_REDIRECTS = 5
/** What is read of a body that nobody needs, to keep its connection. */
const DRAIN_BYTES = 64 * 1024
const REDIRECTS = [301, 302, 303, 307, 308]

export interface Timeouts {
  readonly idleMs: number
  readonly commitMs: number
  readonly slowestBytesPerSecond: number
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RequestBody
  /** Longest silence of the other side, milliseconds. */
  readonly idleMs: number
  readonly slowestBytesPerSecond?: number
  /** Closes the connection after the answer. */
  readonly closes?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What came back. The body must be read, or given up with `discard`. */
export interface HttpAnswer {
  /** What was asked for, before any redirect. */
  readonly request: HttpRequest
  /** Where the answer came from: another URL than the request's after a redirect. */
  readonly url: URL
  readonly status: number
  readonly body: Readable
  /** A header's value; the first when it came more than once. */
  header(name: string): string | undefined
  headers(name: string): readonly string[]
  /** Gives the body up and keeps the connection when little is left. */
  discard(): Promise<void>
}

/**
 * One request and its answer, whatever the status is. Redirects are not followed.
 *
 * @throws ImgctlError REGISTRY_UNREACHABLE when no answer came, the signal's reason, or what reading the
 *   request's own body threw
 */
export async function exchange(dispatcher: Dispatcher, wanted: HttpRequest): Promise<HttpAnswer> {
  wanted.signal?.throwIfAborted()
  const watch = new IdleWatch()
  const outgoing = wanted.body && (await OutgoingBody.open(wanted.body, watchBody(wanted, watch)))
  if (outgoing) watch.expect(wanted.idleMs)
  try {
    const answer = await dispatcher.request({
      origin: wanted.url.origin,
      path: wanted.url.pathname + wanted.url.search,
      method: wanted.method,
      headers: { ...wanted.headers, ...contentLength(wanted) },
      body: outgoing?.stream ?? null,
      // With a body, the watch: undici would count the time that our own source or rate takes.
      headersTimeout: outgoing ? 0 : wanted.idleMs,
      bodyTimeout: wanted.idleMs,
      reset: wanted.closes ?? false,
      signal: wanted.signal ? AbortSignal.any([wanted.signal, watch.signal]) : watch.signal,
    })
    // undici reports an unread body that is given up as an error, which nobody would hear.
    answer.body.on('error', () => {})
    const headers = (name: string): readonly string[] => {
      const value = answer.headers[name]
      return value === undefined ? [] : Array.isArray(value) ? value : [value]
    }
    return {
      request: wanted,
      url: wanted.url,
      status: answer.statusCode,
      body: answer.body,
      header: (name) => headers(name)[0],
      headers,
      discard: () => answer.body.dump({ limit: DRAIN_BYTES }).catch(() => {}),
    }
  } catch (error) {
    outgoing?.stream.destroy()
    wanted.signal?.throwIfAborted()
    throw outgoing?.failure ?? transportError(wanted, error)
  } finally {
    watch.stop()
  }
}

function watchBody(
  { idleMs, body, slowestBytesPerSecond = SLOWEST_BYTES_PER_SECOND }: HttpRequest,
  watch: IdleWatch,
): (what: 'bytes' | 'end' | 'wait') => void {
  const buffered = Math.min(body?.length ?? 0, SOCKET_BUFFER_BYTES)
  return (what) => {
    if (what === 'wait') watch.stop()
    else watch.expect(idleMs + (what === 'end' ? (buffered / slowestBytesPerSecond) * 1000 : 0))
  }
}

/**
 * As `exchange`, and follows redirects of a GET or HEAD. `Authorization` stays with the first origin, and what
 * began with TLS never goes on without.
 */
export async function exchangeFollowing(dispatcher: Dispatcher, first: HttpRequest): Promise<HttpAnswer> {
  let wanted = first
  for (let hops = 0; ; hops++) {
    const answer = await exchange(dispatcher, wanted)
    const location = answer.header('location')
    const target = REDIRECTS.includes(answer.status) && location ? parseUrl(location, wanted.url) : undefined
    if (target === undefined || hops === MAX_REDIRECTS || !mayFollow(wanted.url, target)) {
      return { ...answer, request: first }
    }
    await answer.discard()
    const headers = target.origin === wanted.url.origin ? wanted.headers : withoutCredentials(wanted.headers)
    wanted = { ...wanted, url: target, ...(headers ? { headers } : {}) }
  }
}

/**
 * The whole body, or undefined when it is longer than `maxBytes` (the rest is not read).
 *
 * @throws ImgctlError REGISTRY_UNREACHABLE when it was cut, or the signal's reason
 */
export async function readBody(answer: HttpAnswer, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  if (Number(answer.header('content-length') ?? 0) > maxBytes) {
    answer.body.destroy()
    return undefined
  }
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.byteLength
      if (length > maxBytes) return undefined
      chunks.push(chunk)
    }
  } catch (error) {
    answer.request.signal?.throwIfAborted()
    throw transportError(answer.request, error)
  }
  return Buffer.concat(chunks, length)
}

/** `location` as an absolute URL; undefined when it is none. */
export function parseUrl(location: string, base?: URL): URL | undefined {
  return URL.canParse(location, base?.href) ? new URL(location, base) : undefined
}

/** Whether a connection to `from` may be continued at `to` without losing its protection. */
export function mayFollow(from: URL, to: URL): boolean {
  return to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
}

function withoutCredentials(headers: HttpRequest['headers']): HttpRequest['headers'] {
  const { authorization: _, ...rest } = headers ?? {}
  return rest
}

function contentLength({ method, body }: HttpRequest): Record<string, string> {
  if (body) return { 'content-length': String(body.length) }
  return method === 'POST' || method === 'PUT' || method === 'PATCH' ? { 'content-length': '0' } : {}
}
