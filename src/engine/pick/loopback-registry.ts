import { EventEmitter, on, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'

/** Engines take this address for a registry without TLS, unless they are told otherwise. */
const HOST = '127.0.0.1'
/** What is read of an upload that nobody reads yet: who has sent this much has also said what it is. */
const READ_AHEAD_BYTES = 2 * 1024 * 1024

/** A blob that an engine sends. */
export interface Upload {
  /** As the engine sends it: compressed. As long as nobody reads it the engine waits. */
  readonly body: Readable
  /** Tells the engine that the blob is here. */
  accept(): void
}

/**
 * As much of a registry as an engine needs to push layers: it has no blobs, and hands out each upload to be read. Only
 * this machine reaches it, for as long as a push takes; what comes has to be verified.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
 */
export class LoopbackRegistry {
  readonly #server = createServer((request, response) => this.#answer(request, response))
  /** `begin`: a response that begins an upload; `bytes`: the request and the response that bring its bytes. */
  readonly #arrivals = new EventEmitter()
  readonly #blobs: string
  /** Bytes by the path of an upload, and by the digest that it was given. */
  readonly #sizes = new Map<string, number>()

  /** @param repository the only one that there is */
  static async open(repository: string): Promise<LoopbackRegistry> {
    const registry = new LoopbackRegistry(repository)
    registry.#server.listen(0, HOST)
    await once(registry.#server, 'listening')
    return registry
  }

  private constructor(repository: string) {
    this.#blobs = `/v2/${repository}/blobs/`
    // An upload takes as long as the engine compresses.
    this.#server.requestTimeout = 0
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `${HOST}:${(this.#server.address() as AddressInfo).port}`
  }

  /** What the engine sends from now on, each upload begun when it is asked for; earlier ones go on beside it. */
  async *uploads(signal: AbortSignal): AsyncGenerator<Upload> {
    let count = 0
    for await (const [response] of on(this.#arrivals, 'begin', { signal })) {
      const bytes = once(this.#arrivals, 'bytes', { signal })
      const location = `${this.#blobs}uploads/${++count}`
      response.writeHead(202, { location, range: '0-0' }).end()
      const [request, answer] = await bytes
      yield this.#receive(request, answer)
    }
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '' } = request
    if (url === '/v2/') response.end('{}')
    else if (!url.startsWith(this.#blobs)) refuse(response)
    else if (method === 'POST') this.#arrivals.emit('begin', response)
    else if (method === 'PATCH') this.#arrivals.emit('bytes', request, response)
    else if (method === 'PUT') this.#commit(url, response)
    else if (method === 'HEAD') this.#describe(url.slice(this.#blobs.length), response)
    else refuse(response)
  }

  #receive(request: IncomingMessage, response: ServerResponse): Upload {
    const body = new PassThrough({ highWaterMark: READ_AHEAD_BYTES })
    // One that nobody reads is cut off with the push.
    body.on('error', () => {})
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
    })
    request.on('error', (error) => body.destroy(error))
    request.pipe(body)
    const accept = () => {
      const location = request.url!
      this.#sizes.set(location, size)
      response.writeHead(202, { location, range: `0-${size - 1}` }).end()
    }
    return { body, accept }
  }

  #commit(url: string, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, `http://${HOST}`)
    const digest = searchParams.get('digest')
    const size = this.#sizes.get(pathname)
    if (digest === null || size === undefined) refuse(response)
    else {
      this.#sizes.set(digest, size)
      response.writeHead(201, { location: `${this.#blobs}${digest}`, 'docker-content-digest': digest }).end()
    }
  }

  #describe(digest: string, response: ServerResponse): void {
    const size = this.#sizes.get(digest)
    if (size === undefined) refuse(response)
    else response.writeHead(200, { 'content-length': size, 'docker-content-digest': digest }).end()
  }
}

function refuse(response: ServerResponse): void {
  response.writeHead(404).end()
}
