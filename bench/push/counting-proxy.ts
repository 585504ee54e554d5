import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CountingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** Bytes that clients sent so far, HTTP headers with them. */
  readonly sent: () => number
  readonly cuts: () => number
  readonly close: () => Promise<void>
}

/**
 * Passes connections on and counts what clients send.
 *
 * @param target `127.0.0.1:PORT`
 * @param cutEvery breaks the connection that sends, each time so many more bytes have passed
 */
export async function countingProxy(
  target: string,
  cutEvery = Number.POSITIVE_INFINITY,
): Promise<CountingProxy> {
  const { hostname, port } = new URL(`http://${target}`)
  const sockets = new Set<Socket>()
  let sent = 0
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
    }
    const cut = () => {
      client.resetAndDestroy()
      upstream.destroy()
    }
    client.on('data', (chunk: Buffer) => {
      sent += chunk.length
      if (sent >= cutEvery * (cuts + 1)) {
        cuts++
        return cut()
      }
      if (!upstream.write(chunk)) client.pause()
    })
    upstream.on('drain', () => client.resume())
    client.on('end', () => upstream.end())
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    cuts: () => cuts,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
