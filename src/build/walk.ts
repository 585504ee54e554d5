import type { BigIntStats, Dirent } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../internal/system-code.ts'
import { type ContextEntry, contextMode } from './context-entry.ts'
import { quote, unreadable } from './file-error.ts'
import type { FolderMatch, IgnorePatterns } from './ignore-patterns.ts'

const IGNORE_HINT = 'make it readable, or name it in .dockerignore when the build does not need it'

export interface WalkOptions {
  readonly platform?: NodeJS.Platform
  readonly signal?: AbortSignal
}

/**
 * What a folder sends as a build context: parents first, each folder in the order of its names' bytes. Folders
 * that are ignored and cannot hold an exception are not opened. A folder above an exception is there, even
 * though it is ignored itself. Sockets and devices are left out.
 *
 * @param root an existing folder
 * @param filters what one of them ignores is left out
 * @throws ImgctlError FILE_UNREADABLE for what is needed and cannot be read; the signal's reason
 */
export function walk(
  root: string,
  filters: readonly IgnorePatterns[],
  options: WalkOptions = {},
): AsyncGenerator<ContextEntry> {
  return new Walk(root, filters, options).entries('', [], false)
}

class Walk {
  readonly #root: string
  readonly #filters: readonly IgnorePatterns[]
  readonly #platform: NodeJS.Platform
  readonly #signal: AbortSignal | undefined
  /** The first path of a file that has several: by device and inode. */
  readonly #linked = new Map<string, string>()
  /** Ignored folders on the way to the current one, outermost first: due when something in them is sent. */
  readonly #pending: string[] = []

  constructor(root: string, filters: readonly IgnorePatterns[], { platform, signal }: WalkOptions) {
    this.#root = root
    this.#filters = filters
    this.#platform = platform ?? process.platform
    this.#signal = signal
  }

  async *entries(
    folder: string,
    parent: readonly FolderMatch[],
    ignored: boolean,
  ): AsyncGenerator<ContextEntry> {
    for (const child of await this.#children(folder, ignored)) {
      this.#signal?.throwIfAborted()
      const path = folder === '' ? child.name : `${folder}/${child.name}`
      const found = this.#match(path, parent)
      if (!found.ignored) {
        const entry = await this.#entry(path)
        if (entry === undefined) continue
        yield* this.#due()
        yield entry
      }
      if (!child.isDirectory()) continue
      if (!found.ignored) yield* this.entries(path, found.folder, false)
      else if (found.mayHoldExceptions) {
        this.#pending.push(path)
        yield* this.entries(path, found.folder, true)
        if (this.#pending.at(-1) === path) this.#pending.pop()
      }
    }
  }

  #match(path: string, parent: readonly FolderMatch[]) {
    const found = this.#filters.map((filter, i) => filter.match(path, parent[i]))
    return {
      ignored: found.some(({ ignored }) => ignored),
      folder: found.map(({ folder }) => folder),
      mayHoldExceptions: found.every(
        ({ ignored, folder }, i) => !ignored || this.#filters[i]!.mayHoldExceptions(path, folder),
      ),
    }
  }

  /** An ignored folder may be closed to us: what is in it is not needed, as far as anyone can tell. */
  async #children(folder: string, ignored: boolean): Promise<Dirent[]> {
    try {
      const children = await readdir(join(this.#root, folder), { withFileTypes: true })
      return children.sort((a, b) => compareBytes(a.name, b.name))
    } catch (cause) {
      const code = systemCode(cause)
      if (code === 'ENOENT' || (ignored && code === 'EACCES')) return []
      throw unreadable(
        folder === '' ? 'the build context' : `the folder ${quote(folder)}`,
        cause,
        IGNORE_HINT,
      )
    }
  }

  async *#due(): AsyncGenerator<ContextEntry> {
    for (const path of this.#pending.splice(0)) {
      const entry = await this.#entry(path)
      if (entry !== undefined) yield entry
    }
  }

  /** Undefined for what no context holds, and for what is gone by now. */
  async #entry(path: string): Promise<ContextEntry | undefined> {
    const source = join(this.#root, path)
    try {
      const stats = await lstat(source, { bigint: true })
      const type = typeOf(stats)
      if (type === undefined) return undefined
      const first = type === 'file' ? this.#firstOf(stats, path) : path
      const mode = await contextMode(stats, source, this.#platform)
      const common = { path, mode, mtimeNs: stats.mtimeNs, source }
      if (type === 'symlink') return { ...common, type, size: 0, target: await this.#linkTarget(source) }
      if (first !== path) return { ...common, type: 'link', size: 0, target: first }
      return { ...common, type, size: type === 'file' ? Number(stats.size) : 0 }
    } catch (cause) {
      // Node shows a name that is not UTF-8 with U+FFFD, and then there is nothing at that path.
      if (systemCode(cause) === 'ENOENT' && !path.includes('\ufffd')) return undefined
      throw unreadable(quote(path), cause, IGNORE_HINT)
    }
  }

  /** ReFS numbers files with 128 bits, of which Node shows 64: on Windows every hard link is a file. */
  #firstOf({ nlink, dev, ino }: BigIntStats, path: string): string {
    if (nlink < 2n || this.#platform === 'win32') return path
    const key = `${dev}:${ino}`
    const first = this.#linked.get(key) ?? path
    this.#linked.set(key, first)
    return first
  }

  async #linkTarget(source: string): Promise<string> {
    const target = await readlink(source)
    return this.#platform === 'win32' ? target.replaceAll('\\', '/') : target
  }
}

function typeOf(stats: BigIntStats): 'file' | 'directory' | 'symlink' | 'fifo' | undefined {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  return stats.isFIFO() ? 'fifo' : undefined
}

/** Strings compare by UTF-16 units: another order than UTF-8's where surrogates meet what follows them. */
const FROM_SURROGATES = /[\ud800-\uffff]/

function compareBytes(a: string, b: string): number {
  if (FROM_SURROGATES.test(a) && FROM_SURROGATES.test(b))
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
