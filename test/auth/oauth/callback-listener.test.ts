import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { listenForCallback } from '../../../src/auth/oauth/callback-listener.ts'
import { PAGES } from '../../../src/auth/oauth/callback-page.ts'

const STATE = 'the-state'

async function listen(port?: number) {
  const refused: string[] = []
  const listener = await listenForCallback(STATE, port, (reason) => refused.push(reason))
  onTestFinished(() => listener.close())
  const got: string[] = []
  void listener.callback.then(async ({ url, show }) => {
    got.push(url.search)
    await show(PAGES.success)
  })
  const { host } = new URL(listener.redirectUri)
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const options = { method: method as 'GET', headers, reset: true }
    const { statusCode, headers: answered, body } = await request(`http://${host}${path}`, options)
    return { status: statusCode, headers: answered, text: await body.text() }
  }
  return { listener, refused, got, ask, host }
}

const RIGHT = `/callback?code=c&state=${STATE}`

test('the callback of this login', async () => {
  const { listener, ask, got, refused } = await listen()
  expect(listener.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
  const page = await ask(RIGHT)
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining('You are logged in') })
  expect(page.headers).toMatchObject({
    'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
  expect(page.text).not.toMatch(/code=c|the-state/)
  expect([got, refused]).toEqual([[`?code=c&state=${STATE}`], []])
})

test('a browser may come by IPv6 or as localhost', async () => {
  const { host, ask, got } = await listen()
  const port = Number(new URL(`http://${host}`).port)
  expect((await ask('/', { host: `localhost:${port}` })).status).toBe(404)
  const socket = connect({ host: '::1', port })
  socket.end(`GET ${RIGHT} HTTP/1.1\r\nhost: [::1]:${port}\r\nconnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toMatch(/^HTTP\/1\.1 200 /)
  expect(got).toHaveLength(1)
})

test.each([
  ['another state', '/callback?code=c&state=wrong', {}, 400],
  ['no state', '/callback?code=c', {}, 400],
  ['no state and an error', '/callback?error=access_denied', {}, 400],
  ['another path', '/favicon.ico', {}, 404],
  ["another host's name", RIGHT, { host: 'evil.example' }, 403],
  ['another port', RIGHT, { host: '127.0.0.1:1' }, 403],
  ['an origin', RIGHT, { origin: 'https://evil.example' }, 403],
  ['an opaque origin', RIGHT, { origin: 'null' }, 403],
  ['a script', RIGHT, { 'sec-fetch-mode': 'cors' }, 403],
  ['an image', RIGHT, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, 403],
  ['a frame', RIGHT, { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, 403],
])('%s is refused, and the login goes on', async (_, path, headers, status) => {
  const { ask, got } = await listen()
  const page = await ask(path, headers)
  expect([page.status, got]).toEqual([status, []])
  const navigation = {
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': 'cross-site',
  }
  expect((await ask(RIGHT, navigation)).status).toBe(200)
})

test('a target that is no URL is answered, and the login goes on', async () => {
  const { host, ask } = await listen()
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(`http://${host}`).port) })
  socket.end(`GET // HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toMatch(/^HTTP\/1\.1 404 /)
  expect((await ask(RIGHT)).status).toBe(200)
})

test('a wrong state is told to the person too', async () => {
  const { ask, refused } = await listen()
  await ask('/callback?code=c&state=wrong')
  expect(refused).toEqual(['a callback with another state was refused'])
})

test('a POST is no callback', async () => {
  const { ask, got } = await listen()
  expect([(await ask(RIGHT, {}, 'POST')).status, got]).toEqual([404, []])
})

test('of two callbacks the first counts', async () => {
  const { ask, got } = await listen()
  const pages = await Promise.all([ask(RIGHT), ask(RIGHT.replace('code=c', 'code=d'))])
  expect(pages.map(({ status }) => status).sort()).toEqual([200, 409])
  expect(got).toHaveLength(1)
})

test('it listens on the loopback addresses only, and not after the end', async () => {
  const { listener, host } = await listen()
  const port = Number(new URL(`http://${host}`).port)
  await listener.close()
  await expect(request(`http://127.0.0.1:${port}/`)).rejects.toThrow()
  await expect(request(`http://[::1]:${port}/`)).rejects.toThrow()
})

test('a port that is taken is an error with the way out', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  await expect(listenForCallback(STATE, port, () => {})).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining(`port ${port}`),
    hint: expect.stringContaining('--device'),
  })
})
