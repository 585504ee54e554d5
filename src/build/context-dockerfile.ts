import { createHash } from 'node:crypto'
import { lstat, readFile, realpath, stat } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { systemCode } from '../internal/system-code.ts'
import { quote, unreadable } from './file-error.ts'

const DEFAULT_NAME = 'Dockerfile'

/** Far above any that a person wrote; a wrong file is refused before it fills the memory. */
const MAX_DOCKERFILE_BYTES = 4 * 1024 * 1024

/** A path, or the content itself (`--dockerfile -`). */
export type DockerfileSource = { readonly path: string } | { readonly content: Uint8Array }

/** How the options of a build are written, for hints. */
export interface ContextWords {
  /** `-f FILE` */
  readonly dockerfile: string
  /** `--context DIR` */
  readonly folder: string
}

export interface ContextDockerfile {
  /** Its path in the context, with slashes: the `dockerfile` parameter of the engine's build. */
  readonly name: string
  /** Its own name, without a folder. */
  readonly fileName: string
  /** How messages name it. */
  readonly shown: string
  readonly content: Uint8Array
  readonly mtimeNs: bigint
  /** Its path as the user gave it; undefined when it has none. */
  readonly path?: string
  /** Whether it is a file of the context. Otherwise it is sent under a name made from its content. */
  readonly inContext: boolean
}

/**
 * @param root the context's real path
 * @param source the default when absent: `Dockerfile`, or else `dockerfile`, in the context
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE, TOO_LARGE
 */
export async function findDockerfile(
  root: string,
  source?: DockerfileSource,
  words?: ContextWords,
): Promise<ContextDockerfile> {
  if (source !== undefined && 'content' in source) {
    return outside(source.content, 'the Dockerfile from stdin')
  }
  const path = source === undefined ? await defaultPath(root) : resolve(source.path)
  const shown = source?.path ?? relative(root, path)
  const real = await realPath(path, shown, words)
  const { content, mtimeNs } = await read(real, shown)
  const inside = relative(root, real)
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    return { ...outside(content, shown), fileName: basename(path), path }
  }
  const fileName = basename(path)
  return { name: inside.split(sep).join('/'), fileName, shown, content, mtimeNs, path, inContext: true }
}

async function defaultPath(root: string): Promise<string> {
  const path = join(root, DEFAULT_NAME)
  const small = join(root, DEFAULT_NAME.toLowerCase())
  return (await isThere(path)) || !(await isThere(small)) ? path : small
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** The name depends on the content, so that the engine's cache keeps what a build with it copied. */
function outside(content: Uint8Array, shown: string): ContextDockerfile {
  const hash = createHash('sha256').update(content).digest('hex')
  const name = `.dockerfile.${hash.slice(0, 20)}`
  return { name, fileName: DEFAULT_NAME, shown, content, mtimeNs: 0n, inContext: false }
}

async function realPath(path: string, shown: string, words?: ContextWords): Promise<string> {
  try {
    return await realpath(path)
  } catch (cause) {
    const code = systemCode(cause)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw unreadable(`the Dockerfile ${quote(shown)}`, cause)
    throw new ImgctlError('FILE_NOT_FOUND', `there is no Dockerfile ${quote(shown)}`, {
      ...(words
        ? { hint: `name it with ${words.dockerfile}; the folder that it builds from is ${words.folder}` }
        : {}),
      cause,
    })
  }
}

async function read(path: string, shown: string): Promise<{ content: Uint8Array; mtimeNs: bigint }> {
  try {
    const stats = await stat(path, { bigint: true })
    if (stats.isFile() && stats.size > MAX_DOCKERFILE_BYTES) {
      throw new ImgctlError('TOO_LARGE', `${quote(shown)} is no Dockerfile: it has ${stats.size} bytes`)
    }
    return { content: await readFile(path), mtimeNs: stats.mtimeNs }
  } catch (cause) {
    if (cause instanceof ImgctlError) throw cause
    throw unreadable(`the Dockerfile ${quote(shown)}`, cause)
  }
}
