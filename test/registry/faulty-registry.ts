import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RepositoryLocation } from '../../src/ports/registry.ts'

/** One request as the registry saw it. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** Body bytes that arrived. */
  bytes: number
}

/** What goes wrong with one request. */
export type Fault =
  | { readonly answer: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** The connection is cut when so many body bytes arrived; they are kept. */
  | { readonly cutAfter: number }
  /** The work is done, and the connection cut instead of an answer. */
  | { readonly loseAnswer: true }
  /** The answer's body is cut after so many bytes. */
  | { readonly truncate: number }
  /** The answer comes so much later. */
  | { readonly delayMs: number }
  /** No answer ever. */
  | { readonly silent: true }

export interface FaultyRegistry {
  readonly origin: string
  readonly location: RepositoryLocation
  readonly seen: Seen[]
  readonly blobs: Map<string, Buffer>
  readonly manifests: Map<string, { type: string; bytes: Buffer }>
  readonly sessions: Map<string, Buffer[]>
  /** Called before each request is served; what it answers goes wrong. */
  fault: (request: Seen) => Fault | undefined
  /** Added to the answers of this kind, or taken away by undefined. */
  headers: (request: Seen) => Record<string, string | undefined>
  count(method: string, path?: RegExp): number
  /** Body bytes of all requests of this method. */
  bytes(method: string): number
  close(): Promise<void>
}

/**
 * A small registry of the distribution specification whose sessions survive a cut connection (CNCF
 * distribution 2 gives such a session up), and which fails as it is told to.
 */
export async function startFaultyRegistry(): Promise<FaultyRegistry> {
  const server = createServer((request, response) => {
    serve(registry, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const registry: FaultyRegistry = {
    origin: `http://${host}`,
    location: { host, secure: false, repository: 'team/app' },
    seen: [],
    blobs: new Map(),
    manifests: new Map(),
    sessions: new Map(),
    fault: () => undefined,
    headers: () => ({}),
    count: (method, path = /./) =>
      registry.seen.filter((each) => each.method === method && path.test(each.path)).length,
    bytes: (method) =>
      registry.seen.filter((each) => each.method === method).reduce((sum, { bytes }) => sum + bytes, 0),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return registry
}

/** Makes only the first `times` calls of `fault` count. */
export function times(count: number, fault: FaultyRegistry['fault']): FaultyRegistry['fault'] {
  let left = count
  return (request) => {
    const found = left > 0 ? fault(request) : undefined
    if (found) left--
    return found
  }
}

export function sha256(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function serve(
  registry: FaultyRegistry,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', registry.origin)
  const seen: Seen = {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    bytes: 0,
  }
  registry.seen.push(seen)
  const fault = registry.fault(seen)
  if (fault && 'silent' in fault) return
  if (fault && 'answer' in fault) {
    response.writeHead(fault.answer, fault.headers).end(fault.body)
    return
  }
  const session = registry.sessions.get(url.pathname.split('/').at(-1) ?? '')
  const body: Buffer[] = []
  const continues = session !== undefined && continuesAt(seen, lengthOf(session))
  const into = seen.method === 'PATCH' && continues ? session : body
  request.on('error', () => {})
  for await (const chunk of request as AsyncIterable<Buffer>) {
    const room = fault && 'cutAfter' in fault ? fault.cutAfter - seen.bytes : chunk.byteLength
    seen.bytes += Math.min(room, chunk.byteLength)
    into.push(chunk.subarray(0, room))
    if (fault && 'cutAfter' in fault && chunk.byteLength >= room) {
      request.socket.destroy()
      return
    }
  }
  if (fault && 'delayMs' in fault) await sleep(fault.delayMs)
  const answer = reply(registry, seen, session, body)
  if (fault && 'loseAnswer' in fault) {
    request.socket.destroy()
    return
  }
  send(registry, seen, answer, response, fault && 'truncate' in fault ? fault.truncate : undefined)
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: Buffer
}

function send(registry: FaultyRegistry, seen: Seen, answer: Answer, response: ServerResponse, cut?: number) {
  const body = answer.body ?? Buffer.alloc(0)
  const headers = { 'content-length': String(body.byteLength), ...answer.headers, ...registry.headers(seen) }
  const kept = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
  response.writeHead(answer.status, Object.fromEntries(kept))
  if (seen.method === 'HEAD') return void response.end()
  if (cut === undefined) return void response.end(body)
  response.write(body.subarray(0, cut), () => response.destroy())
}

/** A PATCH without `Content-Range` is a stream that is appended. */
function continuesAt(seen: Seen, length: number): boolean {
  const start = /^(\d+)-/.exec(seen.headers['content-range'] ?? '')?.[1]
  return start === undefined || Number(start) === length
}

function reply(registry: FaultyRegistry, seen: Seen, session: Buffer[] | undefined, body: Buffer[]): Answer {
  const [, kind, name = ''] = /\/(blobs\/uploads|blobs|manifests)\/([^/]*)$/.exec(seen.path) ?? []
  if (kind === 'blobs/uploads') return replyToUpload(registry, seen, name, session, body)
  if (kind === 'blobs') return replyToBlob(registry.blobs.get(name), seen)
  if (kind === 'manifests') return replyToManifest(registry, seen, name, Buffer.concat(body))
  return { status: 404 }
}

function replyToUpload(
  registry: FaultyRegistry,
  seen: Seen,
  id: string,
  session: Buffer[] | undefined,
  refused: Buffer[],
): Answer {
  if (seen.method === 'POST') {
    const mounted = seen.query.get('mount')
    if (mounted && registry.blobs.has(mounted)) return { status: 201, headers: { location: seen.path } }
    const opened = randomUUID()
    registry.sessions.set(opened, [])
    return { status: 202, headers: { location: `${seen.path}${opened}?state=a%20b`, range: '0-0' } }
  }
  if (session === undefined) return failure(404, 'BLOB_UPLOAD_UNKNOWN', 'no such upload')
  const length = lengthOf(session)
  const headers = { location: `${seen.path}?state=a%20b`, range: `0-${Math.max(0, length - 1)}` }
  if (seen.method === 'GET') return { status: 204, headers }
  if (seen.method === 'PATCH') return { status: refused.length > 0 ? 416 : 202, headers }
  registry.sessions.delete(id)
  if (seen.method === 'DELETE') return { status: 204 }
  const digest = seen.query.get('digest') ?? ''
  const blob = Buffer.concat(session)
  if (sha256(blob) !== digest) return failure(400, 'DIGEST_INVALID', 'other bytes')
  registry.blobs.set(digest, blob)
  return { status: 201, headers: { 'docker-content-digest': digest } }
}

function replyToBlob(blob: Buffer | undefined, seen: Seen): Answer {
  if (blob === undefined) return failure(404, 'BLOB_UNKNOWN', 'no such blob')
  const start = Number(/^bytes=(\d+)-$/.exec(seen.headers.range ?? '')?.[1] ?? 0)
  if (start === 0) return { status: 200, body: blob }
  const range = `bytes ${start}-${blob.byteLength - 1}/${blob.byteLength}`
  return { status: 206, headers: { 'content-range': range }, body: blob.subarray(start) }
}

function replyToManifest(registry: FaultyRegistry, seen: Seen, reference: string, body: Buffer): Answer {
  if (seen.method === 'PUT') {
    const manifest = { type: seen.headers['content-type'] ?? '', bytes: body }
    registry.manifests.set(reference, manifest).set(sha256(body), manifest)
    return { status: 201, headers: { 'docker-content-digest': sha256(body) } }
  }
  const found = registry.manifests.get(reference)
  if (!found) return failure(404, 'MANIFEST_UNKNOWN', 'no such manifest')
  if (seen.method === 'DELETE') {
    registry.manifests.delete(reference)
    return { status: 202 }
  }
  const headers = { 'content-type': found.type, 'docker-content-digest': sha256(found.bytes) }
  return { status: 200, headers, body: found.bytes }
}

function failure(status: number, code: string, message: string): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ errors: [{ code, message }] })),
  }
}

function lengthOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
}
