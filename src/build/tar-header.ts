const BLOCK = 512

/** The type flags of https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, ustar. */
const TYPE_FLAGS = { file: '0', link: '1', symlink: '2', directory: '5', fifo: '6', pax: 'x' } as const

const NAME_BYTES = 100
/** Eleven octal digits. */
const MAX_OCTAL = 8 ** 11 - 1

export interface TarHeader {
  readonly path: string
  readonly type: keyof typeof TYPE_FLAGS
  readonly mode: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Bytes that follow, before the padding. */
  readonly size: number
  /** Of links. */
  readonly target?: string
}

/** Two empty blocks. */
export const TAR_END = Buffer.alloc(2 * BLOCK)

/** The header of an entry that belongs to root: one block, or three with what does not fit into one (pax). */
export function tarHeader(header: TarHeader): Buffer {
  const path = header.type === 'directory' ? `${header.path}/` : header.path
  const records = [
    ...(fits(path) ? [] : [record('path', path)]),
    ...(fits(header.target ?? '') ? [] : [record('linkpath', header.target ?? '')]),
    ...(header.size <= MAX_OCTAL ? [] : [record('size', String(header.size))]),
  ]
  const own = block({ ...header, path })
  if (records.length === 0) return own
  const body = Buffer.concat(records)
  const pax = block({
    path: 'PaxHeader',
    type: 'pax',
    mode: 0o644,
    mtimeNs: header.mtimeNs,
    size: body.length,
  })
  return Buffer.concat([pax, body, tarPadding(body.length), own])
}

/** What fills the last block of an entry of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}

function block({ path, type, mode, mtimeNs, size, target = '' }: TarHeader): Buffer {
  const bytes = Buffer.alloc(BLOCK)
  const octal = (value: number, offset: number, digits: number) =>
    bytes.write(value.toString(8).padStart(digits, '0'), offset, 'ascii')
  bytes.write(fits(path) ? path : '@PaxHeader', 0, 'ascii')
  octal(mode, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size <= MAX_OCTAL ? size : 0, 124, 11)
  octal(seconds(mtimeNs), 136, 11)
  bytes.write('        ', 148, 'ascii')
  bytes.write(TYPE_FLAGS[type], 156, 'ascii')
  bytes.write(fits(target) ? target : '', 157, 'ascii')
  bytes.write('ustar\x0000', 257, 'ascii')
  octal(
    bytes.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  bytes.write('\0 ', 154, 'ascii')
  return bytes
}

/** Whole seconds, as docker sends them; times before 1970 become 1970. */
function seconds(ns: bigint): number {
  return Math.min(Math.max(Number(ns / 1_000_000_000n), 0), MAX_OCTAL)
}

function fits(name: string): boolean {
  return name.length <= NAME_BYTES && /^[\x20-\x7e]*$/.test(name)
}

/** `27 path=...\n`: the length counts its own digits. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`)
  let length = rest.length + 1
  while (String(length).length + rest.length > length) length++
  return Buffer.concat([Buffer.from(String(length)), rest])
}
