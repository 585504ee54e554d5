import { createServer } from 'node:http'
import { connect, createServer as createSocketServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from '../engine/scripted-engine.ts'

/** A registry that lets everybody in and then answers every request with one error. Answers its host:port. */
export async function refusingRegistry(status: number, code: string): Promise<string> {
  const body = JSON.stringify({ errors: [{ code, message: 'refused for a test' }] })
  return listen(
    createServer((request, response) => {
      const isPing = request.url === '/v2/'
      response.writeHead(isPing ? 200 : status, { 'content-type': 'application/json' })
      response.end(isPing ? '{}' : body)
    }),
  )
}

/** A registry that lets everybody in and never answers again; `asked` is when it was asked for something. */
export async function silentRegistry(): Promise<{ host: string; asked: Promise<void> }> {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const host = await listen(
    createServer((request, response) => {
      if (request.url === '/v2/') response.end('{}')
      else resolve()
    }),
  )
  return { host, asked }
}

/** A second socket of an engine; `cut` breaks every connection through it, as a dying engine does. */
export async function breakableWay(to: string): Promise<{ socketPath: string; cut: () => void }> {
  const socketPath = join(await temporaryFolder(), 'way.sock')
  const open = new Set<Socket>()
  const server = createSocketServer((near) => {
    const far = connect(to)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    near.pipe(far).pipe(near)
  })
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  onTestFinished(async () => {
    cut()
    await new Promise((resolve) => server.close(resolve))
  })
  return { socketPath, cut }
}

async function listen(server: Server): Promise<string> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return `127.0.0.1:${address.port}`
}
