import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Client, serve, testContext } from '../registry-context.ts'

const PATH = '/v2/acme/app/blobs/uploads/some'
const CHUNK = `10000\r\n${'x'.repeat(65_536)}\r\n`
/** More than the buffers of a loopback connection hold. */
const ENDLESS_BYTES = 256 * 1024 * 1024

async function open(headers: string): Promise<{ socket: Socket; answer: () => string }> {
  const server = await serve(await testContext())
  const socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  socket.write(`PATCH ${PATH} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`)
  return { socket, answer: () => text }
}

test('a refused body without end is not read, and its sender has the answer', async () => {
  const { socket, answer } = await open('Transfer-Encoding: chunked')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let sent = 0
  const isOpen = () => !socket.destroyed && socket.writable
  while (isOpen() && sent < ENDLESS_BYTES) {
    sent += CHUNK.length
    if (!socket.write(CHUNK)) await Promise.race([once(socket, 'drain').catch(() => {}), closed])
  }
  await closed
  expect(sent).toBeLessThan(ENDLESS_BYTES)
  expect(answer()).toMatch(/^HTTP\/1\.1 401 /)
  expect(answer()).toMatch(/\r\nconnection: close\r\n/i)
  expect(JSON.parse(answer().split('\r\n\r\n')[1]!)).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] })
})

test('a client that says it will send much and stops is not waited for', async () => {
  const { socket, answer } = await open('Content-Length: 1000000000')
  await new Promise((resolve) => socket.once('close', resolve))
  expect(answer()).toMatch(/^HTTP\/1\.1 401 /)
})

test('a small refused body costs no connection', async () => {
  const { socket, answer } = await open('Content-Length: 3')
  await expect.poll(answer).toContain('UNAUTHORIZED')
  socket.write('abc')
  socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await expect.poll(() => answer().match(/HTTP\/1\.1 401 /g)).toHaveLength(2)
  expect(answer()).not.toMatch(/connection: close/i)
})

test('fetch has the answer to a body that it would have gone on sending', async () => {
  const server = await serve(await testContext())
  await new Client(server).call('PATCH', PATH, 401, { body: Buffer.alloc(32 * 1024 * 1024) })
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await sleep(1)
      controller.enqueue(new Uint8Array(65_536))
    },
  })
  const response = await fetch(new URL(PATH, server.url), {
    method: 'PATCH',
    body,
    duplex: 'half',
  } as RequestInit)
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] })
})
