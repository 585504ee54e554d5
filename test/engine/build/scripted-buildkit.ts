import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { join } from 'node:path'
import { type Duplex, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { createEngine } from '../../../src/engine/engine.ts'
import type { BuildEvent, BuildRequest, EngineBuild } from '../../../src/ports/engine-build.ts'
import { emptyEnvironment, temporaryFolder } from '../scripted-engine.ts'
import { memoryFiles } from './memory-files.ts'
import { type Fetched, fetchFolder } from './sync-client.ts'

export const IMAGE_ID = `sha256:${'b'.repeat(64)}`
export const DIFF_COPY = '/moby.filesync.v1.FileSync/DiffCopy'
const DIGEST = `sha256:${'c'.repeat(64)}`

/** The answer to a gRPC call: its status, and its message when that is 0. */
export interface GrpcAnswer {
  status: number
  message: Buffer
}

/** What the scripted BuildKit can do while it builds. */
export interface Building {
  request: IncomingMessage
  response: ServerResponse
  /** Fetches the context, or another folder, by what the session offers. */
  context: (name?: string) => Promise<Fetched>
  /** Calls a method of the client's session. */
  ask: (path: string, message: Uint8Array) => Promise<GrpcAnswer>
  /** The client's end of a duplex method: messages are read and written framed. */
  stream: (
    path: string,
    headers: Record<string, string | string[]>,
  ) => ReturnType<ClientHttp2Session['request']>
  /** Writes one line of the answer. */
  say: (value: unknown) => void
}

export interface ScriptedBuildKit {
  engine: EngineBuild
  /** Method and path with query of each request. */
  requests: string[]
  /** The headers of `POST /session`. */
  sessionHeaders: () => NodeJS.Dict<string[]>
  /** Resolves when the client has closed the session. */
  sessionClosed: Promise<unknown>
}

/** An engine with BuildKit that builds as `build` says. Everything it does not know fails the test. */
export async function scriptedBuildKit(
  build: (building: Building) => Promise<void>,
): Promise<ScriptedBuildKit> {
  const requests: string[] = []
  const unexpected: unknown[] = []
  const { promise: sessionClosed, resolve: closed } = Promise.withResolvers<void>()
  let session: ClientHttp2Session | undefined
  let headers: NodeJS.Dict<string[]> = {}
  const folder = await temporaryFolder()
  const socketPath = join(folder, 'engine.sock')
  const open = new Set<Duplex>()
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '')
    if (path === '/_ping')
      response.writeHead(200, { 'api-version': '1.41', 'builder-version': '2' }).end('OK')
    else if (path === '/build/cancel') response.end()
    else if (path === `/images/${IMAGE_ID}/json`) {
      response.end(JSON.stringify({ Id: IMAGE_ID, Os: 'linux', RootFS: { Layers: [DIGEST] } }))
    } else if (path === '/build' && session) {
      const known = session
      build(buildingOf(request, response, known)).catch((error: unknown) => unexpected.push(error))
    } else {
      unexpected.push(`${request.method} ${request.url}`)
      response.writeHead(501).end()
    }
  })
  server.on('upgrade', (request, socket, head) => {
    requests.push(`${request.method} ${request.url}`)
    headers = request.headersDistinct
    socket.on('close', () => closed())
    socket.on('error', () => {})
    open.add(socket)
    if (head.length > 0) socket.unshift(head)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    session = connect('http://localhost', {
      createConnection: () => socket,
      // For long selections of files.
      maxSendHeaderBlockLength: 2 ** 24,
    })
    session.on('error', () => {})
    // With a call that is open, Node's client goes on waiting on a connection that the other side closed.
    session.on('goaway', () => socket.destroy())
  })
  server.on('connection', (socket) => open.add(socket))
  server.listen(socketPath)
  await once(server, 'listening')
  onTestFinished(async () => {
    session?.destroy()
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    if (unexpected.length > 0)
      throw new Error(`the engine met what it did not expect: ${unexpected.join(', ')}`)
  })
  return {
    engine: createEngine({ host: `unix://${socketPath}`, environment: emptyEnvironment(folder) }),
    requests,
    sessionHeaders: () => headers,
    sessionClosed,
  }
}

function buildingOf(
  request: IncomingMessage,
  response: ServerResponse,
  session: ClientHttp2Session,
): Building {
  const stream: Building['stream'] = (path, headers) => {
    const call = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      ...headers,
    })
    // The client ends its session with the build, whatever is still open in it.
    call.on('error', () => {})
    return call
  }
  return {
    request,
    response,
    stream,
    context: (name = 'context') => fetchFolder(stream(DIFF_COPY, { 'dir-name': name })),
    ask: async (path, message) => {
      const call = stream(path, {})
      let status = -1
      call.on('response', (answer) => {
        status = Number(answer['grpc-status'] ?? status)
      })
      call.on('trailers', (trailers) => {
        status = Number(trailers['grpc-status'])
      })
      call.end(framed(message))
      const answer = await buffer(call)
      return { status, message: answer.subarray(5) }
    },
    say: (value) => response.write(`${JSON.stringify(value)}\n`),
  }
}

/** A gRPC message on the wire: not compressed, its length, itself. */
export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** The line by which BuildKit says which image it built. */
export const BUILT = { id: 'moby.image.id', aux: { ID: IMAGE_ID } }

/** A line with a StatusResponse. */
export function trace(status: Uint8Array): unknown {
  return { id: 'moby.buildkit.trace', aux: Buffer.from(status).toString('base64') }
}

/** A request with a context of two files. */
export function buildRequest(more: Partial<BuildRequest> = {}): BuildRequest {
  const content = Buffer.from('FROM scratch\n')
  return {
    files: memoryFiles({ 'a.txt': 'one', b: 'two' }, () => readable('the tar')),
    dockerfile: { name: 'Dockerfile', fileName: 'Dockerfile', content },
    ...more,
  }
}

export function readable(...chunks: string[]): Readable {
  return Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  )
}

/** Collects the events of a build. */
export function recorder(): { events: BuildEvent[]; onEvent: (event: BuildEvent) => void } {
  const events: BuildEvent[] = []
  return { events, onEvent: (event) => events.push(event) }
}
