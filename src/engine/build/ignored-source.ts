import { posix } from 'node:path'
import type { BuildFiles } from '../../ports/engine-build.ts'

/** BuildKit, the classic builder, Podman. */
const MISSING = /not found|no such file|does not exist/
/** `[2/3] COPY --chown=1 a b /x`, in whatever the builder writes before it. */
const COPIES = /(?:^|\] )(?:COPY|ADD) (.*)$/i

/**
 * Why a COPY or ADD does not find what the folder has: the ignore file leaves it out. BuildKit cannot say so, as it is
 * not told the rules.
 *
 * @returns a hint; undefined when it failed for another reason
 */
export function ignoredSourceHint(text: string, stepName: string, files: BuildFiles): string | undefined {
  const words = COPIES.exec(stepName)?.[1]?.split(/\s+/) ?? []
  if (!MISSING.test(text) || words.some((word) => word.startsWith('--from='))) return undefined
  const sources = words.filter((word) => !word.startsWith('--')).slice(0, -1)
  for (const source of sources) {
    const file = files.ignoredBy(posix.resolve('/', source).slice(1))
    if (file !== undefined) return `${file} leaves ${source} out: add a line !${source} at its end`
  }
  return undefined
}
