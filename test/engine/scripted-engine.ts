import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createEngine } from '../../src/engine/engine.ts'
import type { EngineEnvironment } from '../../src/engine/environment.ts'
import type { Engine } from '../../src/ports/engine.ts'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface Script {
  /** Headers of `/_ping`; a Docker 20.10 when absent. */
  ping?: Record<string, string>
  /** `GET /images/app:1/json`, without version and query. What is not here fails the test. */
  answers?: Record<string, Answer>
}

export interface ScriptedEngine {
  engine: Engine
  socketPath: string
  /** Each request: its method and its path with version and query. */
  requests: string[]
  headers: IncomingMessage['headers'][]
}

/** An engine that does what no real engine can be made to do. It ends with the test. */
export async function scriptedEngine({ ping, answers = {} }: Script = {}): Promise<ScriptedEngine> {
  const requests: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const unexpected: string[] = []
  const socketPath = await listen((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    headers.push(request.headers)
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '')
    if (path === '/_ping') {
      response.writeHead(200, ping ?? { 'api-version': '1.41' }).end('OK')
      return
    }
    const answer = answers[`${request.method} ${path}`]
    if (answer) answer(request, response)
    else {
      unexpected.push(`${request.method} ${request.url}`)
      response.writeHead(501).end()
    }
  })
  onTestFinished(() => {
    if (unexpected.length > 0) throw new Error(`the engine was asked for ${unexpected.join(', ')}`)
  })
  return { engine: engineAt(`unix://${socketPath}`), socketPath, requests, headers }
}

/** Serves HTTP on a Unix socket of its own until the test ends. */
export async function listen(answer: RequestListener): Promise<string> {
  const socketPath = join(await temporaryFolder(), 'engine.sock')
  const sockets = new Set<Socket>()
  const server = createServer(answer)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return socketPath
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-engine-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An environment in which nothing is set and nothing is found. */
export function emptyEnvironment(home: string): EngineEnvironment {
  return { variables: { PATH: process.env['PATH'] }, home, platform: 'linux' }
}

export function engineAt(host: string): Engine {
  return createEngine({ host, environment: emptyEnvironment('/nonexistent') })
}

/** Answers with JSON. */
export function json(value: unknown, status = 200): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
}

/** Answers with progress messages, one a line, and a proper end. */
export function events(...values: unknown[]): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(values.map((value) => `${JSON.stringify(value)}\r\n`).join(''))
  }
}

/** Starts to answer and dies: the connection is gone before the body's end. */
export function dieAfter(text: string): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(text, () => response.socket?.destroy())
  }
}
