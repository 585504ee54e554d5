import { type ClientHttp2Session, connect, constants } from 'node:http2'
import type { Duplex } from 'node:stream'
import { makeVisible } from '../../internal/control-characters.ts'
import { readMessages, writeMessage } from './framing.ts'
import type { ProtobufMessage } from './protobuf.ts'

/** Calls methods of the gRPC services that the other end of a connection offers. */
export class GrpcClient {
  readonly #connection: Duplex
  readonly #session: ClientHttp2Session

  constructor(connection: Duplex) {
    this.#connection = connection
    // No name is needed on a connection that exists.
    this.#session = connect('http://localhost', { createConnection: () => connection })
    // Each call fails as well, and says why.
    this.#session.on('error', () => {})
  }

  /**
   * One message to a method with one answer.
   *
   * @param path `/package.Service/Method`
   * @throws Error with the words of the other side when it says that it failed, or the signal's reason
   */
  async call(
    path: string,
    message: Buffer,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
  ): Promise<ProtobufMessage> {
    const { headers = {}, signal } = options
    signal?.throwIfAborted()
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    // An answer without a message has its status in the first headers, others in the trailers.
    let refusal: string | undefined
    const readStatus = (fields: Readonly<Record<string, unknown>>) => {
      const status = fields['grpc-status']
      if (status === undefined || status === '0') return
      refusal = `${makeVisible(decoded(String(fields['grpc-message'] ?? '')))} (gRPC status ${status})`
    }
    stream.on('response', readStatus).on('trailers', readStatus)
    const stop = () => stream.close(constants.NGHTTP2_CANCEL)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      writeMessage(stream, message)
      stream.end()
      for await (const answer of readMessages(stream)) return answer
      signal?.throwIfAborted()
      throw new Error(refusal ?? `no answer to ${path}`)
    } finally {
      signal?.removeEventListener('abort', stop)
      stream.on('error', () => {})
      stop()
    }
  }

  close(): void {
    this.#session.destroy()
    this.#connection.destroy()
  }
}

/** A receiver has to take a message that is not percent-encoded, too. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message)
  } catch {
    return message
  }
}
