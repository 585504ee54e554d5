import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Result, startImgctl } from '../program.ts'
import { browse, type Page } from './browse.ts'

/** More than any step of a login takes on a loaded machine. */
const WAIT_MS = 20_000

/** A person with a home folder of their own, in which nothing is set up. */
export interface TestUser {
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  readonly run: (args: readonly string[], env?: Env, input?: string) => Promise<Result>
  readonly start: (args: readonly string[], env?: Env) => Started
  /** Logs in with a browser that answers as the issuer is set. */
  readonly login: (server: string, args?: readonly string[], env?: Env) => Promise<Result & { page: Page }>
  /** All files of the home folder with their content and permission bits. */
  readonly files: () => { readonly path: string; readonly text: string; readonly mode: number }[]
}

type Env = Readonly<Record<string, string | undefined>>

export interface Started {
  readonly child: ReturnType<typeof startImgctl>['child']
  readonly ended: Promise<Result>
  /** Waits until stderr matches. @returns the first group */
  readonly says: (pattern: RegExp) => Promise<string>
}

export const AUTHORIZATION_URL = /^(http\S+\/auth\?\S+)$/m

export function newUser(): TestUser {
  const home = mkdtempSync(join(tmpdir(), 'imgctl-user-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  mkdirSync(join(home, 'tmp'))
  const env = { HOME: home, TMPDIR: join(home, 'tmp') }
  const start = (args: readonly string[], more: Env = {}): Started => {
    const { child, ended, stderr } = startImgctl(args, { env: { ...env, ...more } })
    onTestFinished(() => void child.kill('SIGKILL'))
    return { child, ended, says: (pattern) => waitFor(stderr, pattern) }
  }
  const run = (args: readonly string[], more: Env = {}, input?: string) =>
    startImgctl(args, { env: { ...env, ...more }, ...(input === undefined ? {} : { input }) }).ended
  return {
    home,
    env,
    run,
    start,
    login: async (server, args = [], more = {}) => {
      const started = start(['login', '--server', server, '--web', '--no-browser', ...args], more)
      const url = await Promise.race([started.says(AUTHORIZATION_URL), started.ended.then(failed)])
      const page = await browse(url)
      return { ...(await started.ended), page }
    },
    files: () => filesIn(home),
  }
}

function failed({ stderr }: Result): never {
  throw new Error(`the login ended before its page was shown: ${stderr}`)
}

async function waitFor(text: () => string, pattern: RegExp): Promise<string> {
  await until(
    () => pattern.test(text()),
    () => `${pattern} did not come: ${text()}`,
  )
  const match = pattern.exec(text())
  return match?.[1] ?? match?.[0] ?? ''
}

/** Waits until something holds. */
export async function until(holds: () => boolean, describe = () => 'it did not come'): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(describe())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function filesIn(folder: string) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, text: readFileSync(path, 'latin1'), mode: statSync(path).mode & 0o777 }))
}
