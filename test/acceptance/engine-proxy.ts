import { createServer, request } from 'node:http'
import type { Socket } from 'node:net'

export interface EngineProxy {
  /** `unix://...`, for DOCKER_HOST. */
  readonly dockerHost: string
  /** `METHOD /path`, in the order of arrival. */
  readonly requests: string[]
  /** Bytes that came out of exports. */
  exported: number
  /** Ends every connection when an export has given so many bytes, as an engine does that dies. */
  dieAfter: number
  readonly close: () => Promise<void>
}

const EXPORT = /\/images\/(?:[^?]*\/)?get(?:\?|$)/

/** A socket in front of an engine's that counts what is read. */
export async function engineProxy(socketPath: string, path: string): Promise<EngineProxy> {
  const sockets = new Set<Socket>()
  const die = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming
    proxy.requests.push(`${method} ${url}`)
    const isExport = EXPORT.test(url)
    const forward = request({ socketPath, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.on('data', (chunk: Buffer) => {
        if (isExport) proxy.exported += chunk.length
        if (isExport && proxy.exported >= proxy.dieAfter) die()
      })
      answer.pipe(outgoing)
    })
    forward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forward.destroy())
    incoming.pipe(forward)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const proxy: EngineProxy = {
    dockerHost: `unix://${path}`,
    requests: [],
    exported: 0,
    dieAfter: Number.POSITIVE_INFINITY,
    close: () => {
      die()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return proxy
}
