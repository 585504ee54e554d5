import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { sidRootPath } from './sid-root.ts'

const SCRIPT = fileURLToPath(new URL('enter-sid.sh', import.meta.url))

export interface SidOptions {
  /** The whole environment beside HOME, LC_ALL and PATH: nothing of ours leaks in. */
  env?: Record<string, string>
  cwd?: string
  /** Host folders to be seen at the same path; /tmp, os.tmpdir() and `cwd` always are. */
  folders?: readonly string[]
}

/** The command line that runs a program of the sid root; needs a mount namespace of its own. */
export function sidCommand(program: string, args: readonly string[], options: SidOptions = {}): string[] {
  const cwd = options.cwd ?? '/tmp'
  const folders = new Set(['/tmp', tmpdir(), cwd, ...(options.folders ?? [])])
  const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)
  return ['sh', SCRIPT, sidRootPath(), cwd, ...withoutNested(folders), '--', ...env, program, ...args]
}

/** A folder inside another one comes with it. */
function withoutNested(folders: Set<string>): string[] {
  const all = [...folders]
  return all.filter((folder) => !all.some((other) => folder.startsWith(`${other}/`)))
}
