import { Readable } from 'node:stream'
import { extract } from 'tar-stream'

const LETTERS: Readonly<Record<string, string>> = {
  file: 'f',
  directory: 'd',
  symlink: 'l',
  link: 'h',
  fifo: 'p',
}

export interface ListedEntry {
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly size: number
  readonly target?: string
  readonly owner?: string
}

/** `f 644 5 a.txt`, `d 755 src`, `l 777 link -> target`, `h 644 b.txt = a.txt`; the owner unless it is root. */
export function describeEntry({ path, type, mode, size, target, owner }: ListedEntry): string {
  const bits = type === 'symlink' ? '777' : mode.toString(8).padStart(3, '0')
  const length = type === 'file' ? [String(size)] : []
  const link = target === undefined ? [] : [type === 'symlink' ? '->' : '=', target]
  return [
    LETTERS[type] ?? type,
    bits,
    ...(owner === undefined ? [] : [owner]),
    ...length,
    path,
    ...link,
  ].join(' ')
}

/** What a tar holds, sorted by path, each path once: see describeEntry. */
export async function listTar(tar: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines = new Map<string, string>()
  for await (const entry of Readable.from(tar).pipe(extract())) {
    entry.resume()
    const { header } = entry
    const path = clean(header.name)
    const type = header.type ?? 'file'
    const target = type === 'link' ? clean(header.linkname ?? '') : (header.linkname ?? '')
    const listed = { path, type, mode: (header.mode ?? 0) & 0o7777, size: header.size ?? 0 }
    const owner = header.uid === 0 && header.gid === 0 ? {} : { owner: `${header.uid}:${header.gid}` }
    const link = type === 'link' || type === 'symlink' ? { target } : {}
    if (path !== '') lines.set(path, describeEntry({ ...listed, ...link, ...owner }))
  }
  return sortLines([...lines.values()])
}

/** Lines of describeEntry in the order of a walk. */
export function sortLines(lines: readonly string[]): string[] {
  return [...lines].sort((a, b) => compareFolders(pathOf(a), pathOf(b)))
}

/** The path ends a line, but for what a link leads to. */
function pathOf(line: string): string {
  return line.replace(/^(f \d+( \d+:\d+)? \d+|\w+ \d+( \d+:\d+)?) /, '').replace(/ (->|=) .*$/, '')
}

/** The order of a walk: a folder, what is in it, then its next sibling. */
function compareFolders(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  const at = left.findIndex((name, i) => name !== right[i])
  if (at < 0) return left.length - right.length
  return right[at] === undefined ? 1 : Buffer.compare(Buffer.from(left[at]!), Buffer.from(right[at]))
}

function clean(name: string): string {
  return name.replace(/^(\.?\/)+/, '').replace(/\/$/, '')
}
