import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { ImgctlError } from '../errors/error.ts'
import type { Endpoint } from './endpoint.ts'
import { engineGone } from './unreachable.ts'

/** An image list of ten thousand images is about 10 MiB. */
const JSON_LIMIT = 64 * 1024 * 1024

/**
 * The body of an engine's answer. It errors with ENGINE_UNREACHABLE when the connection ends before the body
 * does, and with the signal's reason when it is aborted. Destroying it ends the request in the engine.
 */
export class EngineBody extends Readable {
  readonly #response: IncomingMessage

  /** @param during the request in words, for errors: `POST /images/app/push` */
  constructor(response: IncomingMessage, endpoint: Endpoint, during: string, signal?: AbortSignal) {
    super()
    this.#response = response
    // An error that comes before somebody reads must not end the process: the reader is given it.
    this.on('error', () => {})
    const abort = () => this.destroy(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    response.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) response.pause()
    })
    response.on('end', () => this.push(null))
    response.on('error', (cause) => this.destroy(engineGone(endpoint, during, cause)))
    response.on('close', () => signal?.removeEventListener('abort', abort))
    response.pause()
    if (signal?.aborted) abort()
  }

  override _read(): void {
    this.#response.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#response.destroy()
    done(error)
  }
}

/** The whole body as JSON. @throws ImgctlError ENGINE_ERROR when it is not JSON or unreasonably long */
export async function readJson(body: EngineBody, during: string): Promise<unknown> {
  const text = await readText(body, during)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ImgctlError('ENGINE_ERROR', `the engine's answer to ${during} is not JSON`, { cause })
  }
}

async function readText(body: EngineBody, during: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > JSON_LIMIT)
      throw new ImgctlError('ENGINE_ERROR', `the engine's answer to ${during} is too long`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
