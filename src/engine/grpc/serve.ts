import { performServerHandshake, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { readMessages, writeMessage } from './framing.ts'
import { encodeMessage, type ProtobufMessage } from './protobuf.ts'

/** The status codes that we answer. https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const OK = 0
const UNKNOWN = 2
const NOT_FOUND = 5
const UNIMPLEMENTED = 12
const INTERNAL = 13

/**
 * BuildKit names each path that a Dockerfile copies in a header of its own. Node stops at 128 headers and 64 KiB,
 * which a generated Dockerfile exceeds. nghttp2 takes no more than nine frames of 16 KiB.
 */
const MAX_HEADERS = 65_536
const MAX_HEADER_BYTES = 9 * 16 * 1024

/** One call of a method. */
export interface GrpcCall {
  /** The values of a header, one for each time that it was sent. */
  header(name: string): string[]
  /** What the caller says, until it says no more. Throws when the caller is gone. */
  messages(): AsyncGenerator<ProtobufMessage>
  /** Answers with an encoded message; resolves when the next may be sent. Rejects when the caller is gone. */
  send(message: Buffer): Promise<void>
}

/** A method of a gRPC service by its path, `/package.Service/Method`. Its call ends when `answer` is done. */
export interface GrpcMethod {
  readonly path: string
  readonly answer: (call: GrpcCall) => Promise<void>
}

/** What was asked for is not there. The other side knows what that means: it is no failure of ours. */
export class NotOffered extends Error {}

/** The other side says that it failed, and is told its own words: with them the build fails. */
export class CallerFailed extends Error {}

/** A method with one message and one answer. */
export function unary(path: string, answer: (request: ProtobufMessage) => Promise<Buffer>): GrpcMethod {
  return {
    path,
    answer: async (call) => {
      for await (const request of call.messages()) {
        await call.send(await answer(request))
        return
      }
    },
  }
}

/**
 * Serves gRPC on a connection that exists, until the returned function ends it: HTTP/2 with framed messages, as
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md says.
 *
 * @param onFailure told what a method threw: the other side would repeat it in its own words
 */
export function serveGrpc(
  connection: Duplex,
  methods: readonly GrpcMethod[],
  onFailure: (error: unknown) => void,
): () => void {
  const session = performServerHandshake(connection, {
    maxHeaderListPairs: MAX_HEADERS,
    settings: { maxHeaderListSize: MAX_HEADER_BYTES },
  })
  // The build fails as well, and says why.
  session.on('error', () => {})
  session.on('stream', (stream, headers, _flags, rawHeaders) => {
    stream.on('error', () => {})
    const method = methods.find(({ path }) => path === headers[':path'])
    serveCall(stream, rawHeaders, method, onFailure).catch(() => stream.destroy())
  })
  return () => {
    session.destroy()
    connection.destroy()
  }
}

async function serveCall(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  method: GrpcMethod | undefined,
  onFailure: (error: unknown) => void,
): Promise<void> {
  if (method === undefined) return end(stream, UNIMPLEMENTED, 'not offered')
  try {
    await method.answer({
      header: (name) => rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1] === name),
      messages: () => readMessages(stream),
      send: (message) => send(stream, message),
    })
    end(stream, OK, '')
  } catch (error) {
    if (isGone(stream)) return
    if (error instanceof NotOffered) return end(stream, NOT_FOUND, error.message)
    if (error instanceof CallerFailed) return end(stream, UNKNOWN, error.message)
    onFailure(error)
    // It says no more than its kind to the other side, which may print it: details stay here.
    end(stream, INTERNAL, 'the client could not answer')
  }
}

async function send(stream: ServerHttp2Stream, message: Buffer): Promise<void> {
  if (isGone(stream)) throw new Error('the caller is gone')
  begin(stream)
  if (writeMessage(stream, message)) return
  await new Promise<void>((resolve, reject) => {
    const settle = () => {
      stream.off('drain', settle)
      stream.off('close', settle)
      if (isGone(stream)) reject(new Error('the caller is gone'))
      else resolve()
    }
    stream.on('drain', settle)
    stream.on('close', settle)
  })
}

function begin(stream: ServerHttp2Stream): void {
  if (stream.headersSent) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
}

function end(stream: ServerHttp2Stream, code: number, message: string): void {
  if (isGone(stream)) return
  begin(stream)
  stream.once('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': code, 'grpc-message': encodeURIComponent(message) })
  })
  // What the caller still says is of no use; a stream that is not read to its end stays.
  stream.resume()
  stream.end()
}

function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed || stream.aborted || stream.writableEnded
}

/** An answer that says nothing. */
export const EMPTY_MESSAGE: Buffer = encodeMessage({})
