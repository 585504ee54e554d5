import type { BuildContext } from '../../build/context.ts'
import { readContextFile } from '../../build/context-file.ts'
import { type ContextSummary, ContextTally } from '../../build/context-summary.ts'
import { contextTar } from '../../build/context-tar.ts'
import { IGNORE_FILE } from '../../build/ignore-file.ts'
import type { BuildFiles } from '../../ports/engine-build.ts'

/**
 * The files of a context for whichever builder asks.
 *
 * @param onListed told once what was found, when all of it is known: at the end of a tar; when BuildKit has the list
 */
export function buildFiles(
  context: BuildContext,
  onListed: (summary: ContextSummary) => void,
  signal: AbortSignal | undefined,
): BuildFiles {
  const { ignoreFile } = context
  let isTold = false
  const tell = (tally: ContextTally) => {
    if (isTold) return
    isTold = true
    onListed(tally.summary())
  }
  return {
    id: context.root,
    ignoredBy: (path) => (ignoreFile.patterns.ignores(path) ? ignoreFile.shown : undefined),
    tar: () => {
      const tally = new ContextTally()
      const tar = contextTar(context, { onEntry: (entry) => tally.add(entry), ...(signal ? { signal } : {}) })
      tar.once('end', () => tell(tally))
      return tar
    },
    folder: {
      entries: async function* ({ only, except = [] }) {
        const tally = new ContextTally()
        for await (const entry of context.entries({ only, except, signal })) {
          tally.add(entry)
          yield { ...entry, read: () => readContextFile(entry, signal) }
        }
        // BuildKit of 2020 looks for the ignore file before it asks for the context.
        if (only?.length !== 1 || only[0] !== IGNORE_FILE) tell(tally)
      },
    },
  }
}
