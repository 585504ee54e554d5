import type { IncomingHttpHeaders } from 'node:http'

/** What happens to one request. Without any of it the request is passed on. */
export interface Fault {
  /** Answered here, and never passed on. */
  readonly answer?: Answer
  /** Nothing is answered until the client goes away. */
  readonly silent?: boolean
  /** The connection is broken after so many bytes of the body; those are passed on. */
  readonly cutAfter?: number
  /** The same, of all bodies that came over this connection. */
  readonly cutConnectionAfter?: number
  /** No more of the body is read after so many bytes; those are passed on. */
  readonly stallAfter?: number
  /** The body is passed on at so many bytes per second. */
  readonly bytesPerSecond?: number
  /** The answer comes so much later. */
  readonly delayMs?: number
  /** The connection is broken after so many bytes of the answer. */
  readonly truncateAfter?: number
  /** What the answer's head becomes. */
  readonly head?: (headers: IncomingHttpHeaders) => IncomingHttpHeaders
  /** What the answer's body becomes; it is held back until it is whole. */
  readonly body?: (body: string) => string
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Answered when so much of the body came, and the connection is closed; otherwise all of it is read before. */
  readonly after?: number
}

/** One request, and what came of it. */
export interface Exchange {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Which connection it came over; the first is 1. */
  readonly connection: number
  /** Bytes of the request's body that came. */
  sent: number
  /** Bytes of the answer's body that were passed on. */
  received: number
  /** Of the answer; 0 while there is none. */
  status: number
  /** Whether the connection was broken in it. */
  isCut: boolean
}

export type FaultFor = (exchange: Exchange) => Fault | undefined
