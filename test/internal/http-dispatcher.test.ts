import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

const portOf = (server: typeof target): number => (server.address() as AddressInfo).port

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
