import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHttpDispatcher } from '../../src/internal/http-dispatcher.ts'
import { proxyFor, proxyUrl, proxyVariables } from '../../src/internal/proxy-environment.ts'
import { ProxyError } from '../../src/internal/proxy-error.ts'

/** A proxy that answers everything itself: whoever gets its answer went through it. */
const proxy = createServer((_, response) => response.end('proxy')).on('connect', (_, socket) => {
  socket.end('HTTP/1.1 418 Proxy\r\n\r\n')
})
let address = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(() => {
  proxy.closeAllConnections()
  proxy.close()
})

async function goesThroughProxy(url: string, environment: Record<string, string>): Promise<boolean> {
  const dispatcher = createHttpDispatcher(environment)
  try {
    await request(url, { dispatcher })
    return true
  } catch (error) {
    return error instanceof ProxyError && error.status === 418
  } finally {
    await dispatcher.destroy()
  }
}

test.each([
  ['http://a.test/', 'HTTP_PROXY', '', true],
  ['https://a.test/', 'HTTP_PROXY', '', true],
  ['https://a.test/', 'https_proxy', '', true],
  ['http://a.test/', 'HTTPS_PROXY', '', false],
  ['https://a.test/', 'HTTPS_PROXY', 'a.test', false],
  ['https://b.a.test/', 'HTTPS_PROXY', 'a.test', false],
  ['https://b.a.test/', 'HTTPS_PROXY', '.a.test', false],
  ['https://b.a.test/', 'HTTPS_PROXY', '*.a.test', false],
  ['https://ba.test/', 'HTTPS_PROXY', 'a.test', true],
  ['https://a.test/', 'HTTPS_PROXY', 'a.test:443', false],
  ['https://a.test:8443/', 'HTTPS_PROXY', 'a.test:443', true],
  ['https://a.test:8443/', 'HTTPS_PROXY', 'x.test, A.TEST:8443', false],
  ['https://a.test/', 'HTTPS_PROXY', '*', false],
  ['http://127.0.0.1:9/', 'HTTP_PROXY', '', false],
  ['http://localhost:9/', 'HTTP_PROXY', 'x.test', false],
  ['http://[::1]:9/', 'HTTP_PROXY', '', false],
])('%s with %s and NO_PROXY=%j: through it %s, as the dispatcher does', async (url, name, no, expected) => {
  const environment = { [name]: `http://${address}`, NO_PROXY: no }
  expect(proxyFor(new URL(url), environment)?.name).toBe(expected ? name : undefined)
  expect(await goesThroughProxy(url, environment)).toBe(expected)
})

test.each([
  ['https://10.1.2.3/', '10.0.0.0/8', true],
  ['https://11.1.2.3/', '10.0.0.0/8', false],
  ['https://10.1.2.3:8443/', '10.0.0.0/8:443', false],
  ['https://10.1.2.3/', '10.1.2.3', true],
  ['https://110.1.2.3/', '10.1.2.3', false],
  ['https://10.1.2.3/', '2.3', false],
  ['https://10.1.2.3/', '0.0.0.0/33, x/8, 10.0.0.0/', false],
  ['https://[fd00::1]/', 'fd00::/8', true],
  ['https://[fe00::1]/', 'fd00::/8', false],
  ['https://[fd00::1]:8443/', '[fd00::1]:8443', true],
  ['https://[fd00::1]/', '[fd00::1]:8443', false],
  ['https://127.8.9.10/', '', true],
])('%s with NO_PROXY=%j: kept from the proxy %s', (url, no, expected) => {
  const environment = { HTTPS_PROXY: `http://${address}`, NO_PROXY: no }
  expect(proxyFor(new URL(url), environment)).toEqual(
    expected ? undefined : { name: 'HTTPS_PROXY', value: `http://${address}` },
  )
})

test('a proxy without a scheme is one of plain HTTP', async () => {
  expect(await goesThroughProxy('https://a.test/', { HTTPS_PROXY: address })).toBe(true)
})

test('lower case goes first, and empty is none', () => {
  const environment = {
    http_proxy: 'http://low',
    HTTP_PROXY: 'http://high',
    https_proxy: '',
    NO_PROXY: ' a ',
  }
  expect(proxyVariables(environment)).toEqual([
    { name: 'http_proxy', value: 'http://low' },
    { name: 'NO_PROXY', value: 'a' },
  ])
})

test.each(['http://', 'ftp://secret@proxy', 'http://secret:pw@'])('%s is no proxy', (value) => {
  const use = () => proxyUrl({ name: 'HTTPS_PROXY', value })
  expect(use).toThrow(expect.objectContaining({ code: 'USAGE', hint: 'HTTPS_PROXY=http://HOST:PORT' }))
  expect(use).not.toThrow(/secret/)
  expect(() => createHttpDispatcher({ HTTPS_PROXY: value })).toThrow('HTTPS_PROXY does not name a proxy')
})
