import { createServer } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectionFailure } from '../../src/internal/connection-failure.ts'
import { createHttpDispatcher } from '../../src/internal/http-dispatcher.ts'

/** A proxy that leads every tunnel to one server, whatever host was asked for. */
const tunnels: string[] = []
const target = createServer((_, response) => response.end('target'))
const proxy = createServer().on('connect', (asked, socket) => {
  tunnels.push(asked.url ?? '')
  const onward = connect(portOf(target), '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    socket.pipe(onward).pipe(socket)
  })
  onward.on('error', () => socket.destroy())
  socket.on('error', () => onward.destroy())
})

const portOf = (server: Server): number => (server.address() as AddressInfo).port

beforeAll(async () => {
  for (const server of [target, proxy]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  }
})

afterAll(() => {
  for (const server of [target, proxy]) {
    server.closeAllConnections()
    server.close()
  }
})

test.each([
  ['HTTP_PROXY', 'registry.test', '', true],
  ['http_proxy', 'registry.test', '', true],
  ['HTTP_PROXY', '127.0.0.1', '', false],
  ['HTTP_PROXY', 'localhost', 'example.com', false],
  ['HTTP_PROXY', 'a.registry.test', 'example.com', true],
])('with %s, %s and NO_PROXY=%j: through the proxy %s', async (name, host, noProxy, proxied) => {
  const dispatcher = createHttpDispatcher({
    [name]: `http://127.0.0.1:${portOf(proxy)}`,
    NO_PROXY: noProxy,
  })
  const before = tunnels.length
  const answer = await request(`http://${host}:${portOf(target)}/`, { dispatcher })
  expect(await answer.body.text()).toBe('target')
  expect(tunnels.slice(before)).toEqual(proxied ? [`${host}:${portOf(target)}`] : [])
  await dispatcher.destroy()
})

test.each(['registry.test', '.test', '*'])(
  'NO_PROXY=%s keeps the request from the proxy',
  async (noProxy) => {
    const dispatcher = createHttpDispatcher({
      HTTP_PROXY: `http://127.0.0.1:${portOf(proxy)}`,
      NO_PROXY: noProxy,
    })
    const before = tunnels.length
    // Without the proxy the name leads nowhere.
    await expect(request(`http://registry.test:${portOf(target)}/`, { dispatcher })).rejects.toThrow()
    expect(tunnels.slice(before)).toEqual([])
    await dispatcher.destroy()
  },
)

describe('a proxy that opens no way is named, not the host behind it', () => {
  const closes = (socket: Socket) => socket.destroy()
  const says = (text: string) => (socket: Socket) => socket.once('data', () => socket.end(text))

  test.each<[string, ((socket: Socket) => void) | undefined, RegExp, string]>([
    ['nobody listens', undefined, /cannot be used: connection refused$/, 'absent'],
    ['it hangs up', closes, /cannot be used: the connection was closed$/, 'lost'],
    ['it speaks no HTTP', says('SSH-2.0-OpenSSH_9\r\n'), /cannot be used: it does not speak HTTP/, 'refused'],
    ['it says no', says('HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n'), /answered 403$/, 'refused'],
    ['it reaches nobody', says('HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n'), /answered 502$/, 'absent'],
    ['it wants a login', says('HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n'), /answered 407$/, 'refused'],
  ])('%s', async (_, onSocket, reason, kind) => {
    const { port, close } = await listening(onSocket)
    const dispatcher = createHttpDispatcher({ HTTP_PROXY: `http://ada:s3cret@127.0.0.1:${port}` })
    const error = await request('http://registry.test/', { dispatcher }).catch((error: unknown) => error)
    const failure = connectionFailure(error, 'http:')
    expect(failure).toMatchObject({ kind, reason: expect.stringMatching(reason) })
    expect(failure?.reason).toContain(`the proxy 127.0.0.1:${port} (HTTP_PROXY) `)
    expect(failure?.hint).toContain('HTTP_PROXY')
    expect(JSON.stringify(failure)).not.toContain('s3cret')
    await dispatcher.destroy()
    await close()
  })

  test('a host behind it that hangs up is the host', async () => {
    const behind = createServer((_, response) => response.destroy())
    await new Promise<void>((resolve) => behind.listen(0, '127.0.0.1', resolve))
    const tunnel = createServer().on('connect', (_, socket) => {
      const onward = connect(portOf(behind), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      socket.on('error', () => onward.destroy())
    })
    await new Promise<void>((resolve) => tunnel.listen(0, '127.0.0.1', resolve))
    const dispatcher = createHttpDispatcher({ HTTP_PROXY: `http://127.0.0.1:${portOf(tunnel)}` })
    const error = await request('http://registry.test/', { dispatcher }).catch((error: unknown) => error)
    expect(connectionFailure(error, 'http:')).toEqual({ kind: 'lost', reason: 'the connection was closed' })
    await dispatcher.destroy()
    for (const server of [behind, tunnel]) {
      server.closeAllConnections()
      server.close()
    }
  })
})

describe('a SOCKS proxy', () => {
  /** Speaks RFC 1928 without a login; `reply` is what it says to the request. */
  const socks = (reply: number) => (socket: Socket) => {
    socket.once('data', (hello) => {
      expect([...hello.subarray(0, 2)]).toEqual([5, 1])
      socket.write(Buffer.from([5, 0]))
      socket.once('data', () => {
        socket.write(Buffer.from([5, reply, 0, 1, 127, 0, 0, 1, 0, 80]))
        if (reply !== 0) return
        const onward = connect(portOf(target), '127.0.0.1')
        socket.pipe(onward).pipe(socket)
        socket.on('error', () => onward.destroy())
      })
    })
  }

  test('leads to the host', async () => {
    const { port, close } = await listening(socks(0))
    const dispatcher = createHttpDispatcher({ HTTP_PROXY: `socks5://127.0.0.1:${port}` })
    const answer = await request('http://registry.test/', { dispatcher })
    expect(await answer.body.text()).toBe('target')
    await dispatcher.destroy()
    await close()
  })

  test.each<[string, ((socket: Socket) => void) | undefined, RegExp, string]>([
    ['is not there', undefined, /\(HTTP_PROXY\) cannot be used: connection refused$/, 'absent'],
    ['does not allow it', socks(2), /SOCKS proxy opened no way \(.*not allowed/, 'refused'],
    ['does not reach the host', socks(5), /SOCKS proxy opened no way \(.*refused/, 'absent'],
  ])('%s', async (_, onSocket, reason, kind) => {
    const { port, close } = await listening(onSocket)
    const dispatcher = createHttpDispatcher({ HTTP_PROXY: `socks5://127.0.0.1:${port}` })
    const error = await request('http://registry.test/', { dispatcher }).catch((error: unknown) => error)
    expect(connectionFailure(error, 'http:')).toMatchObject({ kind, reason: expect.stringMatching(reason) })
    await dispatcher.destroy()
    await close()
  })
})

/** A port that `onSocket` answers; without it, one that nobody answers. */
async function listening(onSocket: ((socket: Socket) => void) | undefined) {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    onSocket?.(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = portOf(server)
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  if (onSocket) return { port, close }
  await close()
  return { port, close: async () => undefined }
}
