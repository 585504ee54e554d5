import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import { Connections } from '../../src/server/http/connections.ts'
import { drain } from '../../src/server/listen.ts'

it('cuts a request that does not end within the drain time', async () => {
  const app = fastify()
  const reached = Promise.withResolvers<void>()
  app.get('/never', () => {
    reached.resolve()
    return new Promise(() => {})
  })
  const connections = new Connections(app.server)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await reached.promise
  await drain(app, connections, 200)
  expect(await readText(socket)).toBe('')
})

it('lets a long answer end, on a connection that stays open', async () => {
  const app = fastify()
  const finish = Promise.withResolvers<void>()
  app.get('/slow', async (_request, reply) => {
    reply.raw.writeHead(200, { 'content-length': '8' })
    reply.raw.write('half')
    await finish.promise
    reply.raw.end('half')
    return reply.hijack()
  })
  const connections = new Connections(app.server)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  const drained = drain(app, connections)
  finish.resolve()
  const rest = await readText(socket)
  await drained
  expect(rest).toBe('half')
})
