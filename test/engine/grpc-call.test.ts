import { once } from 'node:events'
import { constants, createServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { GrpcClient } from '../../src/engine/grpc/call.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A client of a server that answers each call in this way. */
async function clientOf(answer: (stream: ServerHttp2Stream) => void): Promise<GrpcClient> {
  const server = createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    answer(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = new GrpcClient(connect((server.address() as AddressInfo).port, '127.0.0.1'))
  closers.push(() => {
    client.close()
    server.close()
  })
  return client
}

const refusing = (message: string) => (stream: ServerHttp2Stream) =>
  stream.respond({ ':status': 200, 'grpc-status': '2', 'grpc-message': message }, { endStream: true })

test.each([
  ['as gRPC writes them', 'no such image%3A 100%25', 'no such image: 100% (gRPC status 2)'],
  ['as they are when they are not encoded', '100% wrong', '100% wrong (gRPC status 2)'],
  ['harmless for a terminal', 'red%1b[31m', 'red\\x1b[31m (gRPC status 2)'],
])("a refusal has the other side's words: %s", async (_, message, shown) => {
  const client = await clientOf(refusing(message))
  await expect(client.call('/a.B/C', Buffer.alloc(0))).rejects.toThrow(shown)
})

test.each<[string, (stream: ServerHttp2Stream) => void]>([
  ['an end without an answer', (stream) => stream.respond({ ':status': 200 }, { endStream: true })],
  [
    'a message of more bytes than are served',
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))
    },
  ],
  [
    'bytes that are no protobuf',
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.end(Buffer.from([0, 0, 0, 0, 1, 0xff]))
    },
  ],
  ['a reset', (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM)],
  ['a connection that ends', (stream) => stream.session!.destroy()],
])('%s fails the call', async (_, answer) => {
  const client = await clientOf(answer)
  await expect(client.call('/a.B/C', Buffer.alloc(0))).rejects.toThrow()
})
