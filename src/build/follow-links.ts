import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, posix, sep } from 'node:path'
import { IgnorePatterns } from './ignore-patterns.ts'

/** As many links as Linux follows in one path (path_resolution(7)). */
const MAX_LINKS = 40

/** What makes a name a pattern, unless a backslash stands before it. */
const WILDCARD = /(?:^|[^\\])(?:\\\\)*[*?[]/

/**
 * What a build needs of a folder to have these paths: themselves, and what they lead to when a part of them is a link
 * (github.com/tonistiigi/fsutil, followlinks.go). A link that leads out of the folder leads to its top instead, as
 * links do in an image.
 *
 * @param paths relative to the folder, with slashes; names may have Go's wildcards
 * @returns patterns; undefined when everything is needed
 */
export async function followLinks(root: string, paths: readonly string[]): Promise<string[] | undefined> {
  const found = new Set<string>()
  for (const path of paths) await new LinkFollower(root, found).follow(path, 0)
  return found.has('') ? undefined : [...found]
}

class LinkFollower {
  readonly #root: string
  readonly #found: Set<string>

  constructor(root: string, found: Set<string>) {
    this.#root = root
    this.#found = found
  }

  async follow(path: string, links: number): Promise<void> {
    const names = posix.resolve('/', path).slice(1).split('/')
    for (let depth = 1; depth <= names.length; depth++) {
      const current = names.slice(0, depth).join('/')
      const found = links < MAX_LINKS ? await this.#links(current) : []
      const rest = names.slice(depth).join('/')
      for (const { link, target } of found) {
        this.#found.add(literally(link))
        await this.follow(posix.join(target, rest), links + 1)
      }
      // Of what a pattern matches, part may be no link.
      if (found.length > 0 && !WILDCARD.test(names[depth - 1]!)) return
    }
    this.#found.add(names.join('/'))
  }

  /** The links that a path names, with where they lead, relative to the folder. */
  async #links(path: string): Promise<{ link: string; target: string }[]> {
    const folder = posix.dirname(path)
    const name = posix.basename(path)
    const names = WILDCARD.test(name) ? await this.#matching(folder, name) : [name]
    const links = names.map(async (each) => {
      const source = join(this.#root, folder, each)
      const isLink = await lstat(source).then((stats) => stats.isSymbolicLink(), no)
      const target = isLink ? await readlink(source).catch(() => undefined) : undefined
      return target === undefined
        ? []
        : [
            {
              link: posix.join(folder, each),
              target: posix.resolve('/', folder, target.split(sep).join('/')),
            },
          ]
    })
    return (await Promise.all(links)).flat()
  }

  async #matching(folder: string, pattern: string): Promise<string[]> {
    const wanted = IgnorePatterns.of([pattern])
    const names = await readdir(join(this.#root, folder)).catch(() => [])
    return names.filter((name) => wanted?.ignores(name))
  }
}

const no = () => false

/** A pattern for just this path. */
function literally(path: string): string {
  return path.replace(/[\\*?[\]^]/g, '\\$&')
}
