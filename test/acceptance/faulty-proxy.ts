import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What happens to a request instead of its being passed on. */
export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The connection is broken after so many bytes of the body; those arrive. */
  | { readonly cutAfter: number }
  /** No more of the body is read after so many bytes; those arrive. */
  | { readonly stallAfter: number }
  /** It is passed on, and its answer comes so much later. */
  | { readonly delayMs: number }
  /** Its body is passed on at so many bytes per second. */
  | { readonly bytesPerSecond: number }
  /** Nothing is answered until the client goes away. */
  | 'silence'

/** One request, and the bytes of its body that came. */
export interface Exchange {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  bytes: number
  /** Of the answer; 0 while there is none. */
  status: number
}

export interface FaultyProxy {
  readonly url: string
  /** host:port */
  readonly host: string
  /** `METHOD /path`, in the order of arrival. */
  readonly requests: string[]
  readonly exchanges: Exchange[]
  /** Bytes of the bodies that were sent to blob uploads. */
  readonly uploaded: () => number
  readonly count: (method: string, path?: RegExp) => number
  readonly close: () => Promise<void>
}

/** Forgets the first session that was sent so many bytes: whatever is asked of it is answered 404 from then on. */
export function losesSession(afterBytes: number): FaultFor {
  let lost: string | undefined
  const sent = new Map<string, Exchange[]>()
  return (call, _, exchange) => {
    const session = /\/blobs\/uploads\/[^?]+/.exec(exchange.path)?.[0]
    if (session === undefined) return undefined
    const earlier = sent.get(session) ?? []
    const bytes = earlier.reduce((sum, each) => sum + each.bytes, 0)
    if (call.startsWith('PATCH') && bytes >= afterBytes) lost ??= session
    sent.set(session, [...earlier, exchange])
    if (session !== lost) return undefined
    const body = JSON.stringify({ errors: [{ code: 'BLOB_UPLOAD_UNKNOWN', message: 'no such upload' }] })
    return { status: 404, headers: { 'content-type': 'application/json' }, body }
  }
}

type FaultFor = (call: string, count: number, exchange: Exchange) => Fault | undefined

/** A reverse proxy that does what the network between a client and a server does at its worst. */
export async function faultyProxy(target: string, faultFor: FaultFor): Promise<FaultyProxy> {
  const requests: string[] = []
  const exchanges: Exchange[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming
    const exchange: Exchange = { method, path: url, headers, bytes: 0, status: 0 }
    const call = `${method} ${url}`
    requests.push(call)
    exchanges.push(exchange)
    const fault = faultFor(call, requests.filter((other) => other === call).length, exchange)
    if (fault === 'silence') return
    if (fault && 'status' in fault) answer(outgoing, incoming, fault, exchange)
    else void passOn(target, incoming, outgoing, fault ?? {}, exchange).catch(() => outgoing.destroy())
  })
  server.requestTimeout = 0
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const isUpload = ({ path }: Exchange) => path.includes('/blobs/uploads/')
  return {
    url: `http://${host}`,
    host,
    requests,
    exchanges,
    uploaded: () => exchanges.filter(isUpload).reduce((sum, { bytes }) => sum + bytes, 0),
    count: (method, path = /./) =>
      exchanges.filter((each) => each.method === method && path.test(each.path)).length,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function answer(
  outgoing: ServerResponse,
  incoming: IncomingMessage,
  { status, headers = {}, body = '' }: Extract<Fault, { status: number }>,
  exchange: Exchange,
): void {
  exchange.status = status
  incoming.on('data', (chunk: Buffer) => {
    exchange.bytes += chunk.length
  })
  incoming.on('end', () => outgoing.writeHead(status, headers).end(body))
}

interface Trouble {
  readonly cutAfter?: number
  readonly stallAfter?: number
  readonly delayMs?: number
  readonly bytesPerSecond?: number
}

async function passOn(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { cutAfter = Infinity, stallAfter = Infinity, delayMs = 0, bytesPerSecond = Infinity }: Trouble,
  exchange: Exchange,
): Promise<void> {
  const { method = 'GET', headers } = incoming
  const forward = request(new URL(incoming.url ?? '/', target), { method, headers }, async (response) => {
    if (delayMs > 0) await sleep(delayMs)
    exchange.status = response.statusCode ?? 502
    outgoing.writeHead(exchange.status, response.headers)
    response.pipe(outgoing)
  })
  forward.on('error', () => outgoing.destroy())
  incoming.on('error', () => forward.destroy())
  outgoing.on('error', () => forward.destroy())
  const limit = Math.min(cutAfter, stallAfter)
  const startedAt = Date.now()
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, Math.max(0, limit - exchange.bytes))
    exchange.bytes += part.length
    if (!forward.write(part)) await new Promise((resolve) => forward.once('drain', resolve))
    if (exchange.bytes >= cutAfter) {
      incoming.socket.destroy()
      forward.destroy()
      return
    }
    if (exchange.bytes >= stallAfter) {
      await new Promise((resolve) => incoming.socket.once('close', resolve))
      forward.destroy()
      return
    }
    const due = startedAt + (exchange.bytes / bytesPerSecond) * 1000
    const waitMs = due - Date.now()
    if (waitMs > 0) await sleep(waitMs)
  }
  forward.end()
}
