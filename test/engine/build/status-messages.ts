/** BuildKit's side of StatusResponse: what src/engine/build/status.ts reads. Written without its encoder. */
type Value = string | number | Uint8Array | readonly Uint8Array[]

export function message(fields: Record<number, Value>): Uint8Array {
  return Buffer.concat(Object.entries(fields).flatMap(([field, value]) => encode(Number(field), value)))
}

export interface VertexFields {
  digest?: string
  name?: string
  started?: boolean
  completed?: boolean
  cached?: boolean
  error?: string
}

const TIMESTAMP = message({ 1: 1_700_000_000, 2: 5 })

export function vertex({ digest = 'sha256:1', name = '[1/1] RUN x', ...rest }: VertexFields): Uint8Array {
  return message({
    ...{ 1: digest, 3: name },
    ...(rest.cached ? { 4: 1 } : {}),
    ...(rest.started === false ? {} : { 5: TIMESTAMP }),
    ...(rest.completed ? { 6: TIMESTAMP } : {}),
    ...(rest.error ? { 7: rest.error } : {}),
  })
}

export function log(text: string | Uint8Array, stream = 1, digest = 'sha256:1'): Uint8Array {
  return message({
    1: digest,
    2: TIMESTAMP,
    3: stream,
    4: typeof text === 'string' ? Buffer.from(text) : text,
  })
}

export function status(parts: {
  vertexes?: Uint8Array[]
  statuses?: Uint8Array[]
  logs?: Uint8Array[]
  warnings?: Uint8Array[]
}): Uint8Array {
  return message({
    ...{ 1: parts.vertexes ?? [], 2: parts.statuses ?? [] },
    ...{ 3: parts.logs ?? [], 4: parts.warnings ?? [] },
  })
}

function encode(field: number, value: Value): Uint8Array[] {
  if (typeof value === 'number') return [varint(field * 8), varint(value)]
  if (Array.isArray(value)) return value.flatMap((item: Uint8Array) => encode(field, item))
  const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array)
  return [varint(field * 8 + 2), varint(bytes.length), bytes]
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    bytes.push(Number(rest % 128n) + (rest >= 128n ? 128 : 0))
    rest /= 128n
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}
