import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type OpenApp, openApp } from './open-app.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
/** What a slow client gets here; the server gives longer. */
const BODY_MS = 100
let app: OpenApp
beforeAll(async () => {
  app = await openApp({ whole: true, bodyMs: BODY_MS })
})
afterAll(() => app.close())

function open(
  head: string,
  authorization = `Authorization: Bearer ${app.key}\r\n`,
): { socket: Socket; answer: () => string; closed: Promise<void> } {
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(`${head}\r\nHost: localhost\r\n${authorization}`)
  return { socket, answer: () => text, closed }
}

describe('a body that comes one byte at a time', () => {
  test.each([
    ['POST /api/images HTTP/1.1', 'application/json', 'BAD_REQUEST'],
    ['POST /api/registry/token HTTP/1.1', 'application/x-www-form-urlencoded', ''],
    ['PUT /v2/default/app/manifests/1.0 HTTP/1.1', MANIFEST, ''],
    ['PUT /v2/default/app/manifests/1.0?x=/blobs/uploads/x HTTP/1.1', MANIFEST, ''],
    ['PUT /v2/default/blobs/uploads/manifests/1.0 HTTP/1.1', MANIFEST, ''],
    ['PUT /v2/default/app/blobs/uploads/x%2Fmanifests%2F1.0 HTTP/1.1', MANIFEST, ''],
  ])('is given up, with an answer: %s', async (head, type, code) => {
    const { socket, answer, closed } = open(head)
    socket.write(`Content-Type: ${type}\r\nContent-Length: 1000\r\n\r\n`)
    let sent = 0
    const drip = setInterval(() => socket.writable && socket.write('{') && sent++, BODY_MS / 5)
    onTestFinished(() => clearInterval(drip))
    await closed
    expect(sent).toBeLessThan(100)
    expect(answer()).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer()).toMatch(/\r\nconnection: close\r\n/i)
    expect(answer()).toContain(code)
  })

  test('is cut off when nobody reads it', async () => {
    const { socket, answer, closed } = open('GET /v2/default/app/tags/list HTTP/1.1')
    socket.write('Content-Length: 1000\r\n\r\n')
    const drip = setInterval(() => socket.writable && socket.write('{'), BODY_MS / 5)
    onTestFinished(() => clearInterval(drip))
    await closed
    expect(answer()).toMatch(/^HTTP\/1\.1 404 /)
    expect((await app.call('GET', '/api/health')).status).toBe(200)
  })

  test('may take its time when it is a blob', async () => {
    const started = await app.call('POST', '/v2/default/app/blobs/uploads/')
    const { socket, answer } = open(`PATCH ${started.headers.get('location')} HTTP/1.1`)
    socket.write('Content-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\n')
    for (let sent = 0; sent < 10; sent++) {
      await new Promise((resolve) => setTimeout(resolve, BODY_MS / 5))
      socket.write('x')
    }
    await expect.poll(answer).toMatch(/^HTTP\/1\.1 202 /)
    expect(answer()).toMatch(/\r\nrange: 0-9\r\n/)
  })

  test('takes nothing from who reads slowly', async () => {
    const bytes = 'x'.repeat(8 * 1024 * 1024)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const started = await app.call('POST', '/v2/default/app/blobs/uploads/')
    const headers = { authorization: `Bearer ${app.key}`, 'content-type': 'application/octet-stream' }
    const put = `${app.url}${started.headers.get('location')}?digest=${digest}`
    expect((await fetch(put, { method: 'PUT', headers, body: bytes })).status).toBe(201)
    const { socket, answer, closed } = open(`GET /v2/default/app/blobs/${digest} HTTP/1.1`)
    socket.pause()
    socket.write('Connection: close\r\n\r\n')
    await new Promise((resolve) => setTimeout(resolve, 3 * BODY_MS))
    socket.resume()
    await closed
    expect(answer().length).toBeGreaterThan(bytes.length)
  })

  test('that came in time is not cut later, nor is the connection', async () => {
    const { socket, answer } = open('POST /api/images HTTP/1.1')
    socket.write('Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}')
    await expect.poll(answer).toMatch(/^HTTP\/1\.1 400 /)
    await new Promise((resolve) => setTimeout(resolve, 2 * BODY_MS))
    socket.write('GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(answer).toContain('{"status":"ok"}')
  })
})

test.each([
  ['too large', 'POST /api/images HTTP/1.1', '', 413],
  ['without a valid key', 'POST /api/images HTTP/1.1', 'Authorization: Bearer none\r\n', 401],
])('a body that is refused is not read to its end: %s', async (_, head, more, status) => {
  const { socket, answer, closed } = open(head, more || undefined)
  socket.write('Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n')
  await closed
  expect(answer()).toContain(`HTTP/1.1 ${status} `)
  expect(answer()).toMatch(/\r\nconnection: close\r\n/i)
})

test('headers have a deadline', () => {
  // Node checks it every 30 s: too long for a test.
  expect(app.app.server.headersTimeout).toBeGreaterThan(0)
  expect(app.app.server.headersTimeout).toBeLessThanOrEqual(60_000)
})
