import { BLOCK } from './tar-header.ts'

/** A file to write into a tar. */
export interface TarContent {
  readonly path: string
  /** Bytes that `body` yields. */
  readonly size: number
  readonly body: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** ustar: the longest name, and the largest size in its eleven octal digits. */
const MAX_NAME = 100
const MAX_OCTAL_SIZE = 0o77777777777
/** Two empty blocks end a tar. */
const END_BYTES = 2 * BLOCK

/**
 * Writes a tar of regular files, one after the other, as they are asked for. The same files give the same bytes:
 * no owner, mode 0644, the time 0. What ustar cannot say is said in a pax header.
 *
 * @throws Error when a body has another size than it was promised; what a body throws
 */
export async function* writeTar(
  files: AsyncIterable<TarContent> | Iterable<TarContent>,
): AsyncGenerator<Uint8Array> {
  for await (const { path, size, body } of files) {
    yield header(path, size)
    let left = size
    for await (const chunk of body()) {
      left -= chunk.length
      if (left < 0) break
      yield chunk
    }
    if (left !== 0) throw new Error(`${path} has ${left > 0 ? 'less' : 'more'} than ${size} bytes`)
    yield Buffer.alloc(padding(size))
  }
  yield Buffer.alloc(END_BYTES)
}

/** The bytes of a tar of files of these paths and sizes. */
export function tarSize(files: Iterable<Pick<TarContent, 'path' | 'size'>>): number {
  let total = END_BYTES
  for (const { path, size } of files) total += header(path, size).length + size + padding(size)
  return total
}

function header(path: string, size: number): Buffer {
  const name = Buffer.from(path)
  const records = [
    ...(name.length > MAX_NAME ? [paxRecord('path', path)] : []),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord('size', String(size))] : []),
  ].join('')
  const plain = block(name.subarray(0, MAX_NAME), Math.min(size, MAX_OCTAL_SIZE), '0')
  if (records === '') return plain
  const body = Buffer.from(records)
  const pax = block(Buffer.from('pax'), body.length, 'x')
  return Buffer.concat([pax, body, Buffer.alloc(padding(body.length)), plain])
}

/** https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
function block(name: Uint8Array, size: number, type: string): Buffer {
  const bytes = Buffer.alloc(BLOCK)
  bytes.set(name, 0)
  bytes.write('0000644\0', 100)
  bytes.write('0000000\0', 108)
  bytes.write('0000000\0', 116)
  bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  bytes.write('00000000000\0', 136)
  bytes.write(`        ${type}`, 148)
  bytes.write('ustar\x0000', 257)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/** `<length> <key>=<value>\n`, the length counting itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + 1
  while (length !== rest + String(length).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}
