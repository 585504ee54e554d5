import { posix } from 'node:path'
import { ImgctlError } from '../../errors/error.ts'
import { makeVisible } from '../../internal/control-characters.ts'
import type { BuildFiles } from '../../ports/engine-build.ts'

/** Enough to see what kind of link it is. */
const SHOWN_LINKS = 5

/**
 * Why Podman refused a context without a word: with status 500 and an empty body it refuses a link whose text leads out
 * of the context, also one that the build does not use (containers/storage pkg/archive, breakoutError).
 *
 * @returns undefined when the context has no such link
 */
export async function linksOutFailure(files: BuildFiles): Promise<ImgctlError | undefined> {
  const links: string[] = []
  for await (const { path, type, target = '' } of files.folder.entries({})) {
    if (type !== 'symlink' || !leadsOut(path, target)) continue
    links.push(makeVisible(`${path} -> ${target}`))
    if (links.length === SHOWN_LINKS) break
  }
  if (links.length === 0) return undefined
  return new ImgctlError('BUILD_FAILED', 'Podman takes no build context with links that lead out of it', {
    context: links,
    hint: 'name them in .dockerignore, or build with Docker, which takes them as they are',
  })
}

/** An absolute link is one of the image's own root. */
function leadsOut(path: string, target: string): boolean {
  return !posix.isAbsolute(target) && posix.join(posix.dirname(path), target).split('/')[0] === '..'
}
