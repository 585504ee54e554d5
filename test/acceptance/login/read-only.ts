import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Result } from '../program.ts'
import type { TestUser } from './user.ts'

const PROGRAM = join(import.meta.dirname, '../../../bin/imgctl.js')

/** Whether a mount of one's own can be made here. */
export const canMount = process.platform === 'linux' && process.getuid?.() === 0

/** Runs the program while the user's home is mounted read-only, for it alone. */
export async function inReadOnlyHome(
  { home, env }: TestUser,
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
  input = '',
): Promise<Result> {
  const script = 'mount --bind "$HOME" "$HOME" && mount -o remount,ro,bind "$HOME" && exec "$@"'
  const { PATH } = process.env
  const child = spawn('unshare', ['-m', 'sh', '-c', script, 'sh', process.execPath, PROGRAM, ...args], {
    env: { PATH, ...env, HOME: home, IMGCTL_CREDENTIAL_STORE: 'file', ...more },
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ])
  return { code, stdout, stderr }
}
