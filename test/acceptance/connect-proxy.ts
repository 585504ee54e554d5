import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

export interface ConnectProxy {
  /** host:port */
  readonly host: string
  /** What tunnels were asked for, `host:port`, with the user and password that came. */
  readonly tunnels: { readonly target: string; readonly login: string }[]
  readonly close: () => Promise<void>
}

/**
 * A proxy that opens tunnels to `target` (host:port), whatever host was asked for: so that names that nobody knows can be
 * used, which are not this machine's.
 *
 * @param login `user:password`; others are answered 407
 */
export async function connectProxy(target: string, login: string): Promise<ConnectProxy> {
  const tunnels: { target: string; login: string }[] = []
  const [hostname = '', port = ''] = target.split(':')
  const server = createServer().on('connect', (asked, socket) => {
    const given = (asked.headers['proxy-authorization'] ?? '').replace(/^Basic /, '')
    tunnels.push({ target: asked.url ?? '', login: Buffer.from(given, 'base64').toString() })
    if (tunnels.at(-1)?.login !== login) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
      return
    }
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.destroy())
    socket.on('error', () => onward.destroy())
    onward.on('close', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
