import { realpath, stat } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { systemCode } from '../internal/system-code.ts'
import {
  type ContextDockerfile,
  type ContextWords,
  type DockerfileSource,
  findDockerfile,
} from './context-dockerfile.ts'
import type { ContextEntry } from './context-entry.ts'
import { quote, unreadable } from './file-error.ts'
import { followLinks } from './follow-links.ts'
import { type IgnoreFile, readIgnoreFile } from './ignore-file.ts'
import { IgnorePatterns } from './ignore-patterns.ts'
import { walk } from './walk.ts'

export interface ContextOptions {
  /** The folder to build from; a link to one is followed. */
  readonly folder: string
  readonly dockerfile?: DockerfileSource
  /** How the caller's options are written; without them errors give no hint. */
  readonly words?: ContextWords
  readonly platform?: NodeJS.Platform
}

/** Which part of a context a build asks for; all of it when nothing is said. */
export interface EntrySelection {
  /** Paths, or patterns of them, with what they lead to when they are links. */
  readonly only?: readonly string[] | undefined
  /** Patterns of what is not wanted, besides what the ignore file says. */
  readonly except?: readonly string[]
  readonly signal?: AbortSignal | undefined
}

/** A folder that an image is built from, with its Dockerfile and ignore file read. */
export interface BuildContext {
  /** The real path of the folder. */
  readonly root: string
  readonly dockerfile: ContextDockerfile
  readonly ignoreFile: IgnoreFile
  /** What `COPY .` has to see, or a part of it, read from the folder anew at every call; see `walk`. */
  readonly entries: (selection?: EntrySelection) => AsyncGenerator<ContextEntry>
}

/**
 * Finds and reads what decides about a build context; the folder itself is read by `entries`.
 *
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE, TOO_LARGE (a Dockerfile of megabytes), USAGE (the context
 *   is no folder, or a bad pattern in the ignore file, with file and line)
 */
export async function openContext(options: ContextOptions): Promise<BuildContext> {
  const root = await contextRoot(options.folder, options.words)
  const dockerfile = await findDockerfile(root, options.dockerfile, options.words)
  const ignoreFile = await readIgnoreFile(root, dockerfile.path, options.platform)
  const platform = options.platform === undefined ? {} : { platform: options.platform }
  return {
    root,
    dockerfile,
    ignoreFile,
    entries: async function* ({ signal, ...selection } = {}) {
      const filters = [ignoreFile.patterns, ...(await filtersFor(root, selection))]
      yield* walk(root, filters, { ...platform, ...(signal === undefined ? {} : { signal }) })
    },
  }
}

/** A path that is no valid pattern selects nothing by itself: BuildKit is sent all, and says what it thinks of it. */
async function filtersFor(root: string, { only, except = [] }: EntrySelection): Promise<IgnorePatterns[]> {
  const paths = only === undefined ? undefined : await followLinks(root, only)
  const filters = [
    paths === undefined ? undefined : IgnorePatterns.allBut(paths),
    except.length === 0 ? undefined : IgnorePatterns.of(except),
  ]
  return filters.filter((filter) => filter !== undefined)
}

async function contextRoot(folder: string, words?: ContextWords): Promise<string> {
  const what = `the build context ${quote(folder)}`
  const hint = words && {
    hint: `name the folder with ${words.folder}, and a Dockerfile with ${words.dockerfile}`,
  }
  try {
    const root = await realpath(folder)
    if ((await stat(root)).isDirectory()) return root
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw unreadable(what, cause)
    throw new ImgctlError('FILE_NOT_FOUND', `${what} does not exist`, { ...hint, cause })
  }
  throw new ImgctlError('USAGE', `${what} is not a folder`, { ...hint })
}
