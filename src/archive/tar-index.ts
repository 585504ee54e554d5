import type { FileHandle } from 'node:fs/promises'
import { archiveInvalid, quoteName } from './archive-error.ts'
import { entryPath, symlinkTarget } from './entry-path.ts'
import { readAt } from './file-range.ts'
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

/** Docker writes four entries per layer: this is room for 200 images of 120 layers. */
export const MAX_ENTRIES = 100_000
/** Go's archive/tar (maxSpecialFileSize): the largest body of an extended header. */
const MAX_EXTENDED_BYTES = 1024 * 1024
/** An entry has at most four in practice: pax, pax global, GNU long path, GNU long link. */
const MAX_EXTENDED_HEADERS = 8
/** Headers of small entries stand side by side: one read for several, without reading much of a layer. */
const WINDOW_BYTES = 4096

export type TarEntry =
  | { readonly type: 'file'; readonly size: number; readonly offset: number }
  | { readonly type: 'link'; readonly target: string }
  | { readonly type: 'special' }

/** What extended headers say about the entry that follows them. */
interface Extended {
  readonly count: number
  readonly path?: string
  readonly linkPath?: string
  readonly size?: number
  readonly sparse?: boolean
}

export interface IndexOptions {
  readonly signal?: AbortSignal
  /** How far the index has got, and the archive's bytes. */
  readonly onProgress?: (bytes: number, total: number) => void
}

/**
 * The entries of an uncompressed tar file by path, folders left out. Reads headers only and steps over bodies: a few
 * kilobytes per entry, whatever the archive's size. A missing end mark is accepted, as Go does: what an image
 * needs is looked up by name, so an archive cut between two entries shows up as a missing file.
 *
 * @throws ImgctlError ARCHIVE_INVALID for everything that is not a well-formed tar inside its own bounds
 */
export async function indexTar(
  handle: FileHandle,
  size: number,
  { signal, onProgress }: IndexOptions = {},
): Promise<Map<string, TarEntry>> {
  const entries = new Map<string, TarEntry>()
  const blockAt = blockReader(handle)
  let extended: Extended = { count: 0 }
  let count = 0
  for (let position = 0; position < size; ) {
    signal?.throwIfAborted()
    const block = await blockAt(position)
    if (isZeroBlock(block) && block.length === BLOCK) {
      const second = await blockAt(position + BLOCK)
      if (isZeroBlock(second)) break
    }
    if (!isTarHeader(block)) throw notAHeader(block, position)
    const header = parseTarHeader(block)
    const bodySize = isExtension(header) ? header.size : (extended.size ?? header.size)
    const body = position + BLOCK
    if (bodySize > size - body) {
      const name = quoteName(extended.path ?? header.path)
      throw archiveInvalid(`it is cut short: entry ${name} has ${bodySize} bytes, ${size - body} are there`)
    }
    if (isExtension(header)) {
      extended = await readExtension(handle, header, body, extended)
    } else {
      if (++count > MAX_ENTRIES) throw archiveInvalid(`it has more than ${MAX_ENTRIES} entries`)
      addEntry(entries, header, extended, body, bodySize)
      extended = { count: 0 }
    }
    position = body + Math.ceil(bodySize / BLOCK) * BLOCK
    onProgress?.(Math.min(position, size), size)
  }
  if (extended.count > 0) throw archiveInvalid('it is cut short: an extended header has no entry')
  return entries
}

function addEntry(
  entries: Map<string, TarEntry>,
  header: TarHeader,
  extended: Extended,
  offset: number,
  size: number,
): void {
  const path = entryPath(extended.path ?? header.path)
  if (header.type === 'directory') return
  if (path === '') throw archiveInvalid('an entry has no name')
  if (header.type === 'sparse' || extended.sparse) {
    throw archiveInvalid(`entry ${quoteName(path)} is stored sparse; write the archive without --sparse`)
  }
  if (entries.has(path)) throw archiveInvalid(`entry ${quoteName(path)} is there twice`)
  const linkPath = extended.linkPath ?? header.linkPath
  if (header.type === 'hard-link') entries.set(path, { type: 'link', target: entryPath(linkPath) })
  else if (header.type === 'symlink')
    entries.set(path, { type: 'link', target: symlinkTarget(path, linkPath) })
  else if (header.type === 'file') entries.set(path, { type: 'file', size, offset })
  else entries.set(path, { type: 'special' })
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'pax' || type === 'pax-global' || type === 'gnu-long-path' || type === 'gnu-long-link'
}

async function readExtension(
  handle: FileHandle,
  { type, size }: TarHeader,
  offset: number,
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
  const body = await readAt(handle, offset, size)
  if (type === 'gnu-long-path') return { ...before, count, path: parseLongName(body) }
  if (type === 'gnu-long-link') return { ...before, count, linkPath: parseLongName(body) }
  return { ...before, count, ...readPax(parsePaxRecords(body)) }
}

function readPax(records: ReadonlyMap<string, string>): Partial<Extended> {
  const path = records.get('path')
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
    ...([...records.keys()].some((key) => key.startsWith('GNU.sparse.')) ? { sparse: true } : {}),
  }
}

/** Answers the 512 bytes at a position (fewer at the end of the file), reading a little ahead. */
function blockReader(handle: FileHandle): (position: number) => Promise<Uint8Array> {
  let window: Uint8Array = new Uint8Array(0)
  let start = 0
  return async (position) => {
    if (position < start || position + BLOCK > start + window.length) {
      window = await readAt(handle, position, WINDOW_BYTES)
      start = position
    }
    return window.subarray(position - start, position - start + BLOCK)
  }
}

function notAHeader(block: Uint8Array, position: number): Error {
  if (position === 0) return notATar()
  if (block.length < BLOCK) return archiveInvalid(`it is cut short in the header at byte ${position}`)
  return archiveInvalid(`the header at byte ${position} is damaged`)
}

export function notATar(): Error {
  return archiveInvalid('it is not a tar archive')
}
