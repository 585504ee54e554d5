import type { Http2Stream } from 'node:http2'
import { ProtobufMessage } from './protobuf.ts'

/** A byte that says whether the message is compressed, and four for its length. */
const HEAD_BYTES = 5
/** gRPC's own limit for one message; what BuildKit and we say to each other has some kilobytes. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024

/**
 * The messages that the other side sends on a stream, until it says no more. Throws when it is gone.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export async function* readMessages(stream: Http2Stream): AsyncGenerator<ProtobufMessage> {
  let pending: Buffer = Buffer.alloc(0)
  // The other side may still be speaking when it is answered: leaving the loop must not cut the stream off.
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= HEAD_BYTES) {
      const length = pending.readUInt32BE(1)
      if (pending[0] !== 0 || length > MAX_MESSAGE_BYTES) throw new Error('a gRPC message that is not served')
      const end = HEAD_BYTES + length
      if (pending.length < end) break
      yield new ProtobufMessage(pending.subarray(HEAD_BYTES, end))
      pending = pending.subarray(end)
    }
  }
}

/** Sends one message. @returns whether there is room for another */
export function writeMessage(stream: Http2Stream, message: Buffer): boolean {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32BE(message.length, 1)
  stream.cork()
  stream.write(head)
  const isRoom = stream.write(message)
  stream.uncork()
  return isRoom
}
