import { archiveInvalid, quoteName } from './archive-error.ts'
import { entryPath, symlinkTarget } from './entry-path.ts'
import {
  BLOCK,
  isTarHeader,
  isZeroBlock,
  parseDecimal,
  parseLongName,
  parsePaxRecords,
  parseTarHeader,
  type TarHeader,
} from './tar-header.ts'
import { type PaxSparse, paxSparse, readGnuSparse, readPaxSparse, type SparseFile } from './tar-sparse.ts'

/** Go's archive/tar (maxSpecialFileSize): the largest body of an extended header. */
const MAX_EXTENDED_BYTES = 1024 * 1024
/** An entry has at most four in practice: pax, pax global, GNU long path, GNU long link. */
const MAX_EXTENDED_HEADERS = 8

/** The bytes of an uncompressed tar, from the first to the last. */
export interface TarBytes {
  /** Bytes gone through. */
  readonly position: number
  /** All bytes, when that is known before the end. */
  readonly size: number | undefined
  /** The next `length` bytes; fewer at the end. */
  read(length: number): Promise<Uint8Array>
  /** @throws ImgctlError ARCHIVE_INVALID when there are fewer than `length` */
  skip(length: number): Promise<void>
}

/**
 * An entry with everything that extended headers say of it. Its path and link target are inside the archive.
 */
export type TarEntry = { readonly path: string } & (
  | { readonly type: 'file'; readonly size: number; readonly offset: number; readonly sparse?: SparseFile }
  | { readonly type: 'link'; readonly target: string }
  | { readonly type: 'directory' | 'special' }
)

/** What extended headers say about the entry that follows them. */
export interface Extended {
  readonly count: number
  readonly path?: string
  readonly linkPath?: string
  readonly size?: number
  readonly sparse?: PaxSparse
}

const NOTHING: Extended = { count: 0 }

/** A header with what extended headers before it say of its entry. */
export interface WalkedHeader {
  readonly header: TarHeader
  readonly extended: Extended
  /** Where the body starts, and its bytes. */
  readonly offset: number
  readonly size: number
  /** Set when the body holds parts of a file only. */
  readonly sparse?: SparseFile
}

/**
 * The entries of a tar in order. While an entry is looked at, its body may be read from `bytes`; what is left
 * of it is skipped. A missing end mark is accepted, as Go does: what an image needs is looked up by name, so
 * an archive that was cut between two entries shows up as a missing file.
 *
 * @throws ImgctlError ARCHIVE_INVALID for everything that is not a well-formed tar inside its own bounds
 */
export async function* walkTar(bytes: TarBytes): AsyncGenerator<TarEntry> {
  for await (const walked of walkHeaders(bytes)) yield toEntry(walked)
}

/** As `walkTar`, for tars whose paths and links may lead anywhere, as those of a layer do. */
export async function* walkHeaders(bytes: TarBytes): AsyncGenerator<WalkedHeader> {
  let extended = NOTHING
  for (let block = await nextHeader(bytes); block !== undefined; block = await nextHeader(bytes)) {
    const header = parseTarHeader(block)
    const size = isExtension(header) ? header.size : (extended.size ?? header.size)
    const gnuSparse = header.type === 'sparse' ? await readGnuSparse(block, bytes, size) : undefined
    const offset = bytes.position
    if (bytes.size !== undefined && size > bytes.size - offset) {
      const name = quoteName(extended.path ?? header.path)
      throw archiveInvalid(
        `it is cut short: entry ${name} has ${size} bytes, ${bytes.size - offset} are there`,
      )
    }
    if (isExtension(header)) {
      extended = await readExtension(bytes, header, extended)
    } else {
      const sparse = gnuSparse ?? (extended.sparse && (await readPaxSparse(extended.sparse, bytes, size)))
      yield { header, extended, offset, size, ...(sparse ? { sparse } : {}) }
      extended = NOTHING
    }
    await bytes.skip(offset + size - bytes.position)
    // The last entry's padding may be missing.
    await bytes.read((BLOCK - (size % BLOCK)) % BLOCK)
  }
  if (extended.count > 0) throw archiveInvalid('it is cut short: an extended header has no entry')
}

/** The block of a header; undefined at the end: two blocks of zeros, or no more bytes. */
async function nextHeader(bytes: TarBytes): Promise<Uint8Array | undefined> {
  const { position } = bytes
  const block = await bytes.read(BLOCK)
  if (block.length === 0) return undefined
  if (block.length === BLOCK && isZeroBlock(block)) {
    if (isZeroBlock(await bytes.read(BLOCK))) return undefined
    throw archiveInvalid(`a block of zeros stands alone at byte ${position}`)
  }
  // A copy: a sparse entry's map is read before the block is done with.
  if (isTarHeader(block)) return Uint8Array.from(block)
  if (position === 0) throw notATar()
  if (block.length < BLOCK) throw archiveInvalid(`it is cut short in the header at byte ${position}`)
  throw archiveInvalid(`the header at byte ${position} is damaged`)
}

export function notATar(): Error {
  return archiveInvalid('it is not a tar archive')
}

function toEntry({ header, extended, offset, size, sparse }: WalkedHeader): TarEntry {
  const path = entryPath(extended.path ?? header.path)
  const linkPath = extended.linkPath ?? header.linkPath
  if (header.type === 'directory') return { type: 'directory', path }
  if (path === '') throw archiveInvalid('an entry has no name')
  if (sparse) return { type: 'file', path, size: sparse.size, offset, sparse }
  if (header.type === 'hard-link') return { type: 'link', path, target: entryPath(linkPath) }
  if (header.type === 'symlink') return { type: 'link', path, target: symlinkTarget(path, linkPath) }
  return header.type === 'file' ? { type: 'file', path, size, offset } : { type: 'special', path }
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'pax' || type === 'pax-global' || type === 'gnu-long-path' || type === 'gnu-long-link'
}

async function readExtension(
  bytes: TarBytes,
  { type, size }: TarHeader,
  before: Extended,
): Promise<Extended> {
  const count = before.count + 1
  if (count > MAX_EXTENDED_HEADERS) {
    throw archiveInvalid(`more than ${MAX_EXTENDED_HEADERS} extended headers stand in a row`)
  }
  if (size > MAX_EXTENDED_BYTES) {
    throw archiveInvalid(`an extended header has ${size} bytes, more than ${MAX_EXTENDED_BYTES}`)
  }
  // As in Go: a global header says nothing about the entries that an image needs.
  if (type === 'pax-global') return { ...before, count }
  const body = await bytes.read(size)
  if (type === 'gnu-long-path') return { ...before, count, path: parseLongName(body) }
  if (type === 'gnu-long-link') return { ...before, count, linkPath: parseLongName(body) }
  return { ...before, count, ...readPax(parsePaxRecords(body)) }
}

function readPax(records: ReadonlyMap<string, string>): Partial<Extended> {
  const path = records.get('GNU.sparse.name') ?? records.get('path')
  const sparse = paxSparse(records)
  const linkPath = records.get('linkpath')
  const decimal = records.get('size')
  const size = decimal === undefined ? undefined : parseDecimal(decimal)
  if (decimal !== undefined && size === undefined) {
    throw archiveInvalid(`an extended header has the size ${quoteName(decimal)}`)
  }
  return {
    ...(path ? { path } : {}),
    ...(linkPath ? { linkPath } : {}),
    ...(size === undefined ? {} : { size }),
    ...(sparse ? { sparse } : {}),
  }
}
