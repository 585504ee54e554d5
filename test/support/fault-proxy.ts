import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Exchange, FaultFor } from './fault.ts'
import { answerHere, type Connections, passAnswer, passBody, passUpgrade } from './relay.ts'

export interface FaultProxy {
  /** `http://HOST:PORT`, or `unix://PATH`. */
  readonly url: string
  /** `HOST:PORT`, or the socket's path. */
  readonly host: string
  /** In the order of arrival. */
  readonly exchanges: Exchange[]
  /** Asked at the start of each request. */
  faultFor: FaultFor
  readonly of: (method?: string, path?: RegExp) => Exchange[]
  readonly count: (method?: string, path?: RegExp) => number
  /** Bytes of the bodies that came in. */
  readonly sent: (path?: RegExp) => number
  /** Bytes of the bodies that were answered. */
  readonly received: (path?: RegExp) => number
  /** Connections that were broken. */
  readonly cuts: () => number
  readonly close: () => Promise<void>
}

/** Where blobs are uploaded to. */
export const UPLOADS = /\/blobs\/uploads\//
/** Where an engine exports images from. */
export const EXPORTS = /\/images\/(?:[^?]*\/)?get(?:\?|$)/

const ANYWHERE = /./

/**
 * A reverse proxy that counts what passes, and does what lies between a client and a registry or an engine at its worst.
 *
 * @param target an `http:` URL, or the path of a socket
 * @param listenAt the path of a socket; without it a free port of 127.0.0.1
 */
export async function faultProxy(
  target: string,
  faultFor: FaultFor = () => undefined,
  listenAt?: string,
): Promise<FaultProxy> {
  const sockets: Connections = new Map()
  // An answer of a connection that the other side has closed by then would be a fault that nobody asked for.
  const agent = new Agent({ keepAlive: false })
  let connections = 0
  const begin = ({ method = 'GET', url: path = '/', headers, socket }: IncomingMessage): Exchange => {
    const connection = sockets.get(socket)?.number ?? 0
    const exchange = { method, path, headers, connection, sent: 0, received: 0, status: 0, isCut: false }
    proxy.exchanges.push(exchange)
    return exchange
  }
  const forwardOf = ({ method, path, headers }: Exchange) => {
    const how = { method, headers: { ...headers }, agent }
    return target.startsWith('/')
      ? request({ ...how, socketPath: target, path })
      : request(new URL(path, target), how)
  }
  const server = createServer((incoming, outgoing) => {
    const exchange = begin(incoming)
    const fault = proxy.faultFor(exchange) ?? {}
    if (fault.silent) return
    if (fault.cutAfter === 0) {
      exchange.isCut = true
      return void incoming.socket.destroy()
    }
    if (fault.answer) return answerHere(incoming, outgoing, fault.answer, exchange)
    const forward = forwardOf(exchange)
    passAnswer(forward, outgoing, fault, exchange)
    passBody(incoming, forward, fault, exchange, sockets.get(incoming.socket)!).catch(() => forward.destroy())
  })
  server.on('upgrade', (incoming, client: Duplex) => {
    const exchange = begin(incoming)
    if (proxy.faultFor(exchange)?.cutAfter === 0) client.destroy()
    else passUpgrade(forwardOf(exchange), client, sockets)
  })
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, { number: ++connections, sent: 0 })
    socket.on('close', () => sockets.delete(socket))
  })
  server.requestTimeout = 0
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve) => {
    if (listenAt === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(listenAt, resolve)
  })
  const host = listenAt ?? `127.0.0.1:${(server.address() as AddressInfo).port}`
  const of = (method?: string, path = ANYWHERE) =>
    proxy.exchanges.filter((each) => (method ?? each.method) === each.method && path.test(each.path))
  const proxy: FaultProxy = {
    url: listenAt === undefined ? `http://${host}` : `unix://${host}`,
    host,
    exchanges: [],
    faultFor,
    of,
    count: (method, path) => of(method, path).length,
    sent: (path) => of(undefined, path).reduce((sum, { sent }) => sum + sent, 0),
    received: (path) => of(undefined, path).reduce((sum, { received }) => sum + received, 0),
    cuts: () => proxy.exchanges.filter(({ isCut }) => isCut).length,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets.keys()) socket.destroy()
      await closed
    },
  }
  return proxy
}
