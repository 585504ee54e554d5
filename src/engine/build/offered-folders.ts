import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BuildRequest } from '../../ports/engine-build.ts'
import type { ContextProgress } from './context-progress.ts'
import type { SyncedFolder } from './file-sync.ts'

/** The names under which BuildKit's Dockerfile frontend asks for the two folders of a build. */
const CONTEXT = 'context'
const DOCKERFILE = 'dockerfile'

/**
 * BuildKit would send the patterns back to us, one header for each; it would also read them in its own version's
 * way. So it is given a file that ignores nothing, and what is ignored is not offered.
 */
const IGNORE_FILE = Buffer.from('# The ignore file was applied by the client.\n')

/**
 * The folders that a build may fetch from. The Dockerfile is in one of its own, as with docker's client, so that a
 * `COPY .` sees it only when it is part of the context.
 */
export function offeredFolders(
  { files, dockerfile }: BuildRequest,
  progress: ContextProgress,
): ReadonlyMap<string, SyncedFolder> {
  return new Map([
    [
      CONTEXT,
      {
        entries: (selection) => files.folder.entries(selection),
        onSent: (bytes) => progress.add(bytes),
        onDone: () => progress.end(),
      },
    ],
    [
      DOCKERFILE,
      folderOf([
        [dockerfile.fileName, dockerfile.content],
        [`${dockerfile.fileName}.dockerignore`, IGNORE_FILE],
      ]),
    ],
  ] satisfies [string, SyncedFolder][])
}

/** A folder of files that are in memory. */
function folderOf(files: readonly [path: string, content: Uint8Array][]): SyncedFolder {
  return {
    entries: async function* () {
      for (const [path, content] of files) {
        const read = () => Readable.from([content])
        yield { path, type: 'file', mode: 0o644, mtimeNs: timeOf(content), size: content.length, read }
      }
    },
  }
}

/**
 * A time made from the content: BuildKit takes a file of the same size and time for the one that it has, and
 * Dockerfiles of the same name may come from several places.
 */
function timeOf(content: Uint8Array): bigint {
  const bits = createHash('sha256').update(content).digest().readBigUInt64BE()
  // Within 36 years after 1970: every file system of an engine keeps that.
  return bits >> 4n
}
