import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Connection {
  readonly socket: Socket
  requests: number
}

/**
 * The open connections of a server, and how many requests each is busy with. Node's own closeIdleConnections
 * leaves those on which nothing has been sent yet, such as a browser's spare ones.
 */
export class Connections {
  readonly #open = new Map<string, Connection>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.#track(socket))
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#open.get(peerOf(request.socket))
      if (!connection) return
      connection.requests++
      response.once('close', () => connection.requests--)
    })
  }

  closeIdle(): void {
    for (const { socket, requests } of this.#open.values()) if (requests === 0) socket.destroySoon()
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy()
  }

  #track(socket: Socket): void {
    const peer = peerOf(socket)
    this.#open.set(peer, { socket, requests: 0 })
    socket.once('close', () => this.#open.delete(peer))
  }
}

/** With TLS, a request has another socket object than the connection below it, and the same peer. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
