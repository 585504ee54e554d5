import { execFile } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { basename } from 'node:path'
import { toPathComponent } from '../oci/reference.ts'

/** When the folder's name has no letter or digit of a repository's name. */
const FALLBACK_NAME = 'image'

/** git answers in milliseconds; a huge work tree on a slow disk may take seconds to compare. */
const GIT_TIMEOUT_MS = 15_000

/** Only whether there is output matters; a changed tree of any size is cut here. */
const GIT_OUTPUT_BYTES = 1024 * 1024

/** They would make git look at another repository than the folder's. */
const REPOSITORY_VARIABLES = ['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_PREFIX', 'GIT_COMMON_DIR']

export interface DefaultName {
  readonly repository: string
  readonly tag: string
}

export interface DefaultNameOptions {
  /** The folder to build from. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly now: Date
  readonly signal?: AbortSignal
}

/**
 * The name of an image that was given none: the folder's name made valid, and as tag the short commit, with
 * `-dirty` when anything in the work tree differs from it, also by a file that git does not know. Outside of
 * git, or without git: the time in UTC, `20240102T030405Z`.
 */
export async function defaultName(options: DefaultNameOptions): Promise<DefaultName> {
  const folder = await realpath(options.folder)
  const repository = toPathComponent(basename(folder)) ?? FALLBACK_NAME
  const commit = await git(['rev-parse', '--short', '--verify', 'HEAD'], folder, options)
  if (commit === undefined || !/^[0-9a-f]{4,64}$/.test(commit)) {
    return { repository, tag: timestamp(options.now) }
  }
  const changes = await git(['status', '--porcelain', '--untracked-files=normal'], folder, options)
  // A tree that could not be compared is not known to be that commit.
  return { repository, tag: changes === '' ? commit : `${commit}-dirty` }
}

/** @returns what git wrote, trimmed; undefined when it failed, is not there, or took too long */
function git(
  args: readonly string[],
  folder: string,
  { environment, signal }: DefaultNameOptions,
): Promise<string | undefined> {
  const env: NodeJS.ProcessEnv = { ...environment, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' }
  for (const name of REPOSITORY_VARIABLES) delete env[name]
  return new Promise((resolve, reject) => {
    // A repository's own settings may name a program to watch its files: it is not run for a name.
    const command = ['-C', folder, '-c', 'core.fsmonitor=false', ...args]
    const settings = {
      env,
      timeout: GIT_TIMEOUT_MS,
      maxBuffer: GIT_OUTPUT_BYTES,
      windowsHide: true,
      ...(signal ? { signal } : {}),
    }
    execFile('git', command, settings, (error, stdout) => {
      if (signal?.aborted) reject(signal.reason)
      else resolve(error ? undefined : stdout.trim())
    }).stdin?.end()
  })
}

function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d+/, '').replace(/[-:]/g, '')
}
