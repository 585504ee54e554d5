import { ProtobufMessage } from '../grpc/protobuf.ts'

/**
 * What BuildKit says of a build, again and again: only what changed since the last time.
 * https://github.com/moby/buildkit/blob/master/api/services/control/control.proto (StatusResponse)
 */
export interface BuildStatus {
  readonly vertexes: readonly Vertex[]
  readonly parts: readonly VertexPart[]
  readonly logs: readonly VertexLog[]
  readonly warnings: readonly VertexWarning[]
}

/** One node of the build graph: a step. */
export interface Vertex {
  readonly digest: string
  readonly name: string
  readonly cached: boolean
  readonly started: boolean
  readonly completed: boolean
  /** Empty when it did not fail. */
  readonly error: string
}

/** A part of a step with its own progress: a layer, an upload. Bytes; 0 when not known. */
export interface VertexPart {
  readonly vertex: string
  readonly id: string
  readonly current: number
  readonly total: number
}

export interface VertexLog {
  readonly vertex: string
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Uint8Array
}

export interface VertexWarning {
  readonly message: string
  readonly url: string
  /** The line of the Dockerfile, from 1; 0 when not known. */
  readonly line: number
}

const STDERR = 2

/** @throws ImgctlError ENGINE_ERROR when it is no protobuf message */
export function decodeStatus(bytes: Uint8Array): BuildStatus {
  const message = new ProtobufMessage(bytes)
  return {
    vertexes: message.messages(1).map(readVertex),
    parts: message.messages(2).map((part) => ({
      ...{ id: part.text(1), vertex: part.text(2) },
      ...{ current: part.number(4), total: part.number(5) },
    })),
    logs: message.messages(3).map((log) => ({
      ...{ vertex: log.text(1), bytes: log.bytes(4) },
      stream: log.number(3) === STDERR ? 'stderr' : 'stdout',
    })),
    warnings: message.messages(4).map(readWarning),
  }
}

function readVertex(vertex: ProtobufMessage): Vertex {
  return {
    digest: vertex.text(1),
    name: vertex.text(3),
    cached: vertex.number(4) !== 0,
    started: vertex.has(5),
    completed: vertex.has(6),
    error: vertex.text(7),
  }
}

/** Ranges and positions: https://github.com/moby/buildkit/blob/master/solver/pb/ops.proto */
function readWarning(warning: ProtobufMessage): VertexWarning {
  const start = warning.messages(7)[0]?.messages(1)[0]
  return { message: warning.text(3), url: warning.text(5), line: start?.number(1) ?? 0 }
}
