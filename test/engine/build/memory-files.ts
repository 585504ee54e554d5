import { Readable } from 'node:stream'
import type { BuildFiles, SentEntry } from '../../../src/ports/engine-build.ts'

/** Files of a build that are in memory, and the tar that a classic builder gets. */
export function memoryFiles(
  contents: Readonly<Record<string, string | Uint8Array>>,
  tar: () => Readable = noTar,
): BuildFiles {
  const folders = Object.keys(contents).flatMap((path) =>
    path
      .split('/')
      .slice(0, -1)
      .map((_, depth, names) => names.slice(0, depth + 1).join('/')),
  )
  const paths = [...new Set([...folders, ...Object.keys(contents)])].sort(inFolders)
  return folderFiles(async function* () {
    for (const path of paths) {
      const content = contents[path]
      if (content === undefined) yield { ...sentFile(path, nothing, 0), type: 'directory' }
      else yield sentFile(path, () => Readable.from([Buffer.from(content)]), content.length)
    }
  }, tar)
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Each folder before what is in it. */
function inFolders(a: string, b: string): number {
  const [left, right] = [a, b].map((path) => path.replaceAll('/', '\0'))
  return left! < right! ? -1 : 1
}

/** Files of a build whose folder lists what `entries` yields. */
export function folderFiles(
  entries: BuildFiles['folder']['entries'],
  tar: () => Readable = noTar,
): BuildFiles {
  return { id: '/test', tar, folder: { entries }, ignoredBy: () => undefined }
}

export function sentFile(path: string, read: () => AsyncIterable<Uint8Array>, size = 1): SentEntry {
  return { path, type: 'file', mode: 0o755, mtimeNs: 1_704_067_200_000_000_000n, size, read }
}

function noTar(): never {
  throw new Error('a tar was made')
}
