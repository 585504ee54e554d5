import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What happens to a request instead of its being passed on. */
export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The connection is broken after so many bytes of the body. */
  | { readonly cutAfter: number }
  /** Nothing is answered until the client goes away. */
  | 'silence'

export interface FaultyProxy {
  readonly url: string
  /** `METHOD /path`, in the order of arrival. */
  readonly requests: string[]
  readonly close: () => Promise<void>
}

/** A reverse proxy that does what the network between a client and a server does at its worst. */
export async function faultyProxy(
  target: string,
  faultFor: (call: string, count: number) => Fault | undefined,
): Promise<FaultyProxy> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, outgoing) => {
    const call = `${incoming.method} ${incoming.url}`
    requests.push(call)
    const fault = faultFor(call, requests.filter((other) => other === call).length)
    if (fault === 'silence') return
    if (fault && 'status' in fault) answer(outgoing, incoming, fault)
    else passOn(target, incoming, outgoing, fault?.cutAfter)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function answer(
  outgoing: ServerResponse,
  incoming: IncomingMessage,
  { status, headers = {}, body = '' }: Exclude<Fault, 'silence' | { cutAfter: number }>,
): void {
  incoming.resume()
  incoming.on('end', () => outgoing.writeHead(status, headers).end(body))
}

function passOn(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  cutAfter: number | undefined,
): void {
  const { method, headers } = incoming
  const forward = request(
    new URL(incoming.url ?? '/', target),
    { method: method ?? 'GET', headers },
    (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    },
  )
  forward.on('error', () => outgoing.destroy())
  if (cutAfter === undefined) {
    incoming.pipe(forward)
    return
  }
  let passed = 0
  incoming.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, cutAfter - passed))
    passed += chunk.length
    forward.write(part)
    if (passed < cutAfter) return
    incoming.socket.destroy()
    forward.destroy()
  })
  incoming.on('end', () => forward.end())
}
