import { archiveInvalid, quoteName } from './archive-error.ts'

/**
 * Tar headers: POSIX ustar and pax
 * (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06) and GNU's additions
 * (https://www.gnu.org/software/tar/manual/html_node/Standard.html). Where the two leave room we read as Go's
 * archive/tar does, because engines use it.
 */
export const BLOCK = 512

export type TarType =
  | 'file'
  | 'hard-link'
  | 'symlink'
  | 'directory'
  | 'special'
  | 'pax'
  | 'pax-global'
  | 'gnu-long-path'
  | 'gnu-long-link'
  | 'sparse'

export interface TarHeader {
  readonly type: TarType
  readonly path: string
  readonly linkPath: string
  /** Bytes of the body, without the padding to whole blocks. */
  readonly size: number
}

/** Anything else (devices, pipes, vendors' own types) has nothing that an image needs. */
const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '5': 'directory',
  x: 'pax',
  g: 'pax-global',
  L: 'gnu-long-path',
  K: 'gnu-long-link',
  S: 'sparse',
}
/** These have no body, whatever their size field says. */
const BODILESS = new Set(['1', '2', '3', '4', '5', '6'])

const text = new TextDecoder()

/**
 * Reads a block of 512 bytes for which `isTarHeader` holds.
 *
 * @throws ImgctlError ARCHIVE_INVALID when its size is no number
 */
export function parseTarHeader(block: Uint8Array): TarHeader {
  const flag = String.fromCharCode(block[156]!)
  const name = readText(block, 0, 100)
  const prefix = readText(block, 257, 6) === 'ustar' && block[262] === 0 ? readText(block, 345, 155) : ''
  const path = prefix ? `${prefix}/${name}` : name
  const size = parseNumber(block.subarray(124, 136))
  if (size === undefined) throw archiveInvalid(`the size of entry ${quoteName(path)} is not a number`)
  const type = TYPES[flag] ?? 'special'
  return {
    type: type === 'file' && path.endsWith('/') ? 'directory' : type,
    path,
    linkPath: readText(block, 157, 100),
    size: BODILESS.has(flag) ? 0 : size,
  }
}

/** A block of zeros: two of them end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0)
}

/** Whether the block has a header's checksum: the sum of its bytes, the checksum's own counted as spaces. */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK) return false
  let unsigned = 0
  let signed = 0
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 32 : block[i]!
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  const written = parseNumber(block.subarray(148, 156))
  // Old writers summed signed bytes.
  return written !== undefined && (written === unsigned || written === signed)
}

/** The records of a pax header, `<length> <key>=<value>\n` each. The parts of a sparse file's map become `GNU.sparse.map`. */
export function parsePaxRecords(body: Uint8Array): Map<string, string> {
  const records = new Map<string, string>()
  const map: string[] = []
  let start = 0
  while (start < body.length) {
    const space = body.indexOf(0x20, start)
    const digits = space < 0 ? '' : text.decode(body.subarray(start, Math.min(space, start + 12)))
    const end = start + (/^[0-9]+$/.test(digits) ? Number(digits) : Number.NaN)
    const record = text.decode(body.subarray(space + 1, end - 1))
    const equals = record.indexOf('=')
    if (!(end > space + 1 && end <= body.length) || body[end - 1] !== 0x0a || equals < 1) {
      throw archiveInvalid('an extended (pax) header is malformed')
    }
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)]
    // GNU's sparse format 0.0 gives the numbers of its map one by one, in this order.
    const isOfMap = key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes'
    if (isOfMap) map.push(value)
    else records.set(key, value)
    start = end
  }
  if (map.length > 0) records.set('GNU.sparse.map', map.join(','))
  return records
}

/** The body of a GNU long name. */
export function parseLongName(body: Uint8Array): string {
  return readText(body, 0, body.length)
}

/** A size as pax writes it; undefined when it is no number that a file can have. */
export function parseDecimal(value: string): number | undefined {
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}

/** Octal text, or GNU's base-256 when the first bit is set. Undefined: neither, negative, or beyond 2^53. */
export function parseNumber(field: Uint8Array): number | undefined {
  if (field[0]! & 0x80) return parseBase256(field)
  const digits = text
    .decode(field)
    .replace(/^[ \0]+/, '')
    .replace(/[ \0].*$/s, '')
  if (digits === '') return 0
  const number = /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}

function parseBase256(field: Uint8Array): number | undefined {
  if (field[0]! & 0x40) return undefined
  let number = field[0]! & 0x3f
  for (const byte of field.subarray(1)) {
    number = number * 256 + byte
    if (!Number.isSafeInteger(number)) return undefined
  }
  return number
}

function readText(block: Uint8Array, start: number, length: number): string {
  const field = block.subarray(start, start + length)
  const end = field.indexOf(0)
  return text.decode(end < 0 ? field : field.subarray(0, end))
}
