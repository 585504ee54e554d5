import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** Bytes that went from clients to the target. */
  sent: number
  /** Connections that were cut. */
  cuts: number
  close(): Promise<void>
}

/**
 * A TCP proxy in front of `target` (host:port) that resets each connection after so many bytes from the client.
 *
 * @param cutAfter asked for each connection; Infinity lets it live
 */
export async function startCuttingProxy(target: string, cutAfter: () => number): Promise<CuttingProxy> {
  const [hostname = '', port = ''] = target.split(':')
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const onward = connect(Number(port), hostname)
    let left = cutAfter()
    for (const socket of [client, onward]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        onward.destroy()
      })
    }
    onward.pipe(client)
    client.on('data', (chunk: Buffer) => {
      const passed = chunk.subarray(0, Math.min(left, chunk.byteLength))
      left -= passed.byteLength
      proxy.sent += passed.byteLength
      if (!onward.write(passed)) {
        client.pause()
        onward.once('drain', () => client.resume())
      }
      if (left > 0) return
      proxy.cuts++
      client.resetAndDestroy()
      onward.end()
    })
    client.on('end', () => onward.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: CuttingProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: 0,
    cuts: 0,
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
