import { archiveInvalid } from './archive-error.ts'
import { BLOCK, parseDecimal, parseNumber } from './tar-header.ts'

/** A piece of a sparse file that is stored; all else of it is zeros. */
export interface SparsePiece {
  /** Where it is in the file, and where its first byte lies in the tar. */
  readonly start: number
  readonly stored: number
  readonly length: number
}

/** A sparse file of a tar: https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html */
export interface SparseFile {
  /** Bytes of the file, its holes counted. */
  readonly size: number
  /** In the order of the file, which is that of the tar. */
  readonly pieces: readonly SparsePiece[]
}

/** Two numbers of a map: where a piece starts in the file, and its length. */
type Extent = readonly [start: number, length: number]

/** What reads the blocks that hold a map. */
interface Blocks {
  readonly position: number
  read(length: number): Promise<Uint8Array>
}

/** More pieces than this are no image's: GNU tar writes one for each hole. */
const MAX_PIECES = 100_000
const GNU_EXTENT_BYTES = 24
const GNU_HEADER_EXTENTS = 4
const GNU_BLOCK_EXTENTS = 21
/** Where GNU's header has its extents, whether blocks with more follow, and the size of the file. */
const GNU_EXTENTS_AT = 386
const GNU_MORE_AT = 482
const GNU_SIZE_AT = 483

/**
 * GNU's own sparse entry (type `S`): extents in the header, more in blocks after it, then what is stored.
 *
 * @param bytes stands after the header; after the map when this is done
 * @param storedSize the header's size
 * @throws ImgctlError ARCHIVE_INVALID
 */
export async function readGnuSparse(
  header: Uint8Array,
  bytes: Blocks,
  storedSize: number,
): Promise<SparseFile> {
  const size = parseNumber(header.subarray(GNU_SIZE_AT, GNU_SIZE_AT + 12))
  const extents = gnuExtents(header.subarray(GNU_EXTENTS_AT), GNU_HEADER_EXTENTS)
  for (let more = header[GNU_MORE_AT] !== 0; more; ) {
    const block = await bytes.read(BLOCK)
    if (block.length < BLOCK || extents.length > MAX_PIECES) throw badMap()
    extents.push(...gnuExtents(block, GNU_BLOCK_EXTENTS))
    more = block[GNU_BLOCK_EXTENTS * GNU_EXTENT_BYTES] !== 0
  }
  return sparseFile(size, extents, bytes.position, storedSize)
}

function gnuExtents(field: Uint8Array, count: number): Extent[] {
  const extents: Extent[] = []
  for (let at = 0; at < count * GNU_EXTENT_BYTES; at += GNU_EXTENT_BYTES) {
    if (field[at] === 0) break
    const [start, length] = [field.subarray(at, at + 12), field.subarray(at + 12, at + 24)].map(parseNumber)
    if (start === undefined || length === undefined) throw badMap()
    extents.push([start, length])
  }
  return extents
}

/** What pax records say of a sparse file. Its map is in them (0.0 and 0.1) or at the start of the body (1.0). */
export interface PaxSparse {
  readonly map: string | undefined
  readonly size: number | undefined
}

/** @returns undefined when the records are of no sparse file */
export function paxSparse(records: ReadonlyMap<string, string>): PaxSparse | undefined {
  const isMapInBody = records.get('GNU.sparse.major') === '1' && records.get('GNU.sparse.minor') === '0'
  const map = records.get('GNU.sparse.map')
  if (!isMapInBody && map === undefined) {
    if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) throw badMap()
    return undefined
  }
  const size = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size')
  return { map: isMapInBody ? undefined : map, size: size === undefined ? undefined : parseDecimal(size) }
}

/**
 * @param bytes stands at the body; after the map when this is done
 * @param bodySize bytes of the body, a map in it counted
 * @throws ImgctlError ARCHIVE_INVALID
 */
export async function readPaxSparse(
  { map, size }: PaxSparse,
  bytes: Blocks,
  bodySize: number,
): Promise<SparseFile> {
  const start = bytes.position
  const numbers = map === undefined ? await mapInBody(bytes, bodySize) : map.split(',').map(parseDecimal)
  const extents: Extent[] = []
  for (let i = 0; i < numbers.length; i += 2) {
    const [from, length] = [numbers[i], numbers[i + 1]]
    if (from === undefined || length === undefined) throw badMap()
    extents.push([from, length])
  }
  return sparseFile(size, extents, bytes.position, bodySize - (bytes.position - start))
}

/** Decimal lines: how many extents, then start and length of each; padded to whole blocks. */
async function mapInBody(bytes: Blocks, bodySize: number): Promise<(number | undefined)[]> {
  let text = ''
  let wanted = 1
  for (let read = 0; ; read += BLOCK) {
    if (read + BLOCK > bodySize) throw badMap()
    text += Buffer.from(await bytes.read(BLOCK)).toString('latin1')
    const lines = text.split('\n').slice(0, -1)
    const count = parseDecimal(lines[0] ?? '')
    if (lines.length > 0 && (count === undefined || count > MAX_PIECES)) throw badMap()
    if (count !== undefined) wanted = 1 + 2 * count
    if (lines.length >= wanted) return lines.slice(1, wanted).map(parseDecimal)
    if (text.length > MAX_PIECES * 2 * 20) throw badMap()
  }
}

function sparseFile(
  size: number | undefined,
  extents: readonly Extent[],
  offset: number,
  storedSize: number,
): SparseFile {
  const pieces: SparsePiece[] = []
  let [end, stored] = [0, offset]
  for (const [start, length] of extents) {
    if (start < end || !Number.isSafeInteger(start + length)) throw badMap()
    if (length > 0) pieces.push({ start, stored, length })
    end = start + length
    stored += length
  }
  if (size === undefined || end > size || stored - offset !== storedSize || pieces.length > MAX_PIECES) {
    throw badMap()
  }
  return { size, pieces }
}

function badMap(): Error {
  return archiveInvalid('the map of a sparse entry is malformed')
}
