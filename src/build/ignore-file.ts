import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../internal/system-code.ts'
import { quote, unreadable } from './file-error.ts'
import { IgnorePatterns } from './ignore-patterns.ts'

export const IGNORE_FILE = '.dockerignore'

export interface IgnoreFile {
  /** As it is named to the user; undefined when the context has none. */
  readonly shown?: string
  /** Whether it is the one of the Dockerfile: `<Dockerfile>.dockerignore`. */
  readonly ofDockerfile: boolean
  readonly patterns: IgnorePatterns
}

/**
 * The ignore file that counts: the one beside the Dockerfile with the Dockerfile's name, and without it the one
 * at the root of the context. Even an empty one counts.
 *
 * @param dockerfile the Dockerfile's path; undefined when it has none
 * @throws ImgctlError FILE_UNREADABLE, and USAGE with file and line for a bad pattern
 */
export async function readIgnoreFile(
  root: string,
  dockerfile: string | undefined,
  platform?: NodeJS.Platform,
): Promise<IgnoreFile> {
  if (dockerfile !== undefined) {
    const path = `${dockerfile}${IGNORE_FILE}`
    const text = await readIfThere(path)
    if (text !== undefined) {
      return { shown: path, ofDockerfile: true, patterns: IgnorePatterns.parse(text, path, platform) }
    }
  }
  const text = await readIfThere(join(root, IGNORE_FILE))
  if (text === undefined) return { ofDockerfile: false, patterns: IgnorePatterns.NONE }
  const patterns = IgnorePatterns.parse(text, IGNORE_FILE, platform)
  return { shown: IGNORE_FILE, ofDockerfile: false, patterns }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = systemCode(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(`the ignore file ${quote(path)}`, cause)
  }
}
