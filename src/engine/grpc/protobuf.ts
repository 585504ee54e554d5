import { ImgctlError } from '../../errors/error.ts'

/** The wire types. https://protobuf.dev/programming-guides/encoding/#structure */
const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** A 64-bit number takes ten bytes of seven bits. */
const MAX_VARINT_BYTES = 10

/**
 * A protobuf message, read without its schema: BuildKit's messages that we need have a few fields each. Fields that
 * nobody asks for are skipped, as the format demands.
 */
export class ProtobufMessage {
  readonly #numbers = new Map<number, bigint>()
  readonly #bytes = new Map<number, Uint8Array[]>()

  /** @throws ImgctlError ENGINE_ERROR when it is no protobuf message */
  constructor(message: Uint8Array) {
    const reader = new Reader(message)
    while (!reader.done) {
      const key = reader.varint()
      const field = Number(key >> 3n)
      const type = Number(key & 7n)
      if (type === VARINT) this.#numbers.set(field, reader.varint())
      else if (type === LENGTH_DELIMITED) this.#add(field, reader.bytes(Number(reader.varint())))
      else if (type === FIXED64) reader.bytes(8)
      else if (type === FIXED32) reader.bytes(4)
      else throw malformed()
    }
  }

  /** The number of a field; 0, the default, when it is absent. */
  number(field: number): number {
    return Number(BigInt.asIntN(64, this.#numbers.get(field) ?? 0n))
  }

  bytes(field: number): Uint8Array {
    return this.#bytes.get(field)?.at(-1) ?? new Uint8Array()
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field))
  }

  texts(field: number): string[] {
    return (this.#bytes.get(field) ?? []).map((bytes) => new TextDecoder().decode(bytes))
  }

  /** The messages of a repeated field; for a single one, at most one. */
  messages(field: number): ProtobufMessage[] {
    return (this.#bytes.get(field) ?? []).map((bytes) => new ProtobufMessage(bytes))
  }

  /** Whether a field of messages, text or bytes is there. */
  has(field: number): boolean {
    return this.#bytes.has(field)
  }

  #add(field: number, bytes: Uint8Array): void {
    const known = this.#bytes.get(field)
    if (known) known.push(bytes)
    else this.#bytes.set(field, [bytes])
  }
}

/** What a field may hold: text, bytes, or an integer (not one of the fixed or zigzag kinds). */
export type ProtobufValue = string | Uint8Array | bigint | number

/** A message; fields that are empty or 0 are left out, as proto3 does. */
export function encodeMessage(fields: Readonly<Record<number, ProtobufValue>>): Buffer {
  const parts: Uint8Array[] = []
  for (const [name, value] of Object.entries(fields)) {
    const field = BigInt(name) << 3n
    if (typeof value === 'bigint' || typeof value === 'number') {
      if (BigInt(value) !== 0n) parts.push(encodeVarint(field), encodeVarint(BigInt(value)))
      continue
    }
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    if (bytes.length === 0) continue
    parts.push(encodeVarint(field | BigInt(LENGTH_DELIMITED)), encodeVarint(BigInt(bytes.length)), bytes)
  }
  return Buffer.concat(parts)
}

/** Negative numbers are sent as 64 bits of two's complement. */
function encodeVarint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return Uint8Array.from([...bytes, Number(rest)])
}

class Reader {
  readonly #message: Uint8Array
  #at = 0

  constructor(message: Uint8Array) {
    this.#message = message
  }

  get done(): boolean {
    return this.#at >= this.#message.length
  }

  varint(): bigint {
    let value = 0n
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.#message[this.#at++]
      if (byte === undefined) break
      value |= BigInt(byte & 0x7f) << BigInt(7 * index)
      if (byte < 0x80) return value
    }
    throw malformed()
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#message.length) throw malformed()
    const bytes = this.#message.subarray(this.#at, end)
    this.#at = end
    return bytes
  }
}

function malformed(): ImgctlError {
  return new ImgctlError('ENGINE_ERROR', 'the engine sent a message that is not protobuf')
}
