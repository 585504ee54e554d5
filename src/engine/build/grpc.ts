import type { Duplex } from 'node:stream'
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js'
import { ProtobufMessage } from './protobuf.ts'

/** A method of a gRPC service by its path, `/package.Service/Method`. Answers are encoded messages. */
export type GrpcMethod =
  | { readonly path: string; readonly unary: (request: ProtobufMessage) => Promise<Buffer> }
  | { readonly path: string; readonly duplex: handleBidiStreamingCall<ProtobufMessage, Buffer> }

/** What was asked for is not there. The other side knows what that means: it is no failure of ours. */
export class NotOffered extends Error {}

/**
 * Serves gRPC on a connection that exists, until the returned function ends it.
 *
 * @param onFailure told what a method threw: the other side would repeat it in its own words
 */
export function serveGrpc(
  connection: Duplex,
  methods: readonly GrpcMethod[],
  onFailure: (error: unknown) => void,
): () => void {
  const server = new Server()
  const definitions: Record<string, MethodDefinition<ProtobufMessage, Buffer>> = {}
  const handlers: Record<string, UntypedHandleCall> = {}
  for (const method of methods) {
    definitions[method.path] = definitionOf(method)
    handlers[method.path] = 'duplex' in method ? method.duplex : answerOnce(method.unary, onFailure)
  }
  server.addService(definitions, handlers)
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  injector.injectConnection(connection)
  return () => {
    injector.destroy()
    server.forceShutdown()
    connection.destroy()
  }
}

function definitionOf(method: GrpcMethod): MethodDefinition<ProtobufMessage, Buffer> {
  const streams = 'duplex' in method
  const encoded = (message: Buffer) => message
  const never = () => {
    throw new Error(`${method.path} is answered here, not called`)
  }
  return {
    ...{ path: method.path, requestStream: streams, responseStream: streams },
    ...{ requestDeserialize: (bytes) => new ProtobufMessage(bytes), responseSerialize: encoded },
    ...{ requestSerialize: never, responseDeserialize: never },
  }
}

/** An error says no more than its kind to the other side, which may print it: details stay here. */
function answerOnce(
  answer: (request: ProtobufMessage) => Promise<Buffer>,
  onFailure: (error: unknown) => void,
): handleUnaryCall<ProtobufMessage, Buffer> {
  return ({ request }, callback) => {
    answer(request).then(
      (message) => callback(null, message),
      (error: unknown) => {
        if (error instanceof NotOffered) callback({ code: status.NOT_FOUND, details: error.message })
        else {
          onFailure(error)
          callback({ code: status.INTERNAL, details: 'the client could not answer' })
        }
      },
    )
  }
}
