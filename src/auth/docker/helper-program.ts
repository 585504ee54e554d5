import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { posix, win32 } from 'node:path'

/** What may be the end of a program's name. `desktop.exe` is written by Docker Desktop for use in WSL. */
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Whether docker's config names a credential helper that can be one: never a path. */
export function isHelperName(name: string): boolean {
  return HELPER_NAME.test(name)
}

/** https://github.com/docker/docker-credential-helpers#development */
export function helperProgram(name: string): string {
  return `docker-credential-${name}`
}

/**
 * The absolute path of a program on PATH; undefined when it is not there. Relative folders on PATH, and on Windows
 * the current folder, are not looked in: a checkout must not get to see the user's passwords.
 */
export async function findProgram(
  program: string,
  { PATH, Path }: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): Promise<string | undefined> {
  const { delimiter, isAbsolute, join } = platform === 'win32' ? win32 : posix
  const file = platform === 'win32' && !program.endsWith('.exe') ? `${program}.exe` : program
  for (const folder of (PATH ?? Path ?? '').split(delimiter)) {
    if (isAbsolute(folder) && (await isExecutable(join(folder, file)))) return join(folder, file)
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
