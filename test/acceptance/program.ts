import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
/** A cold start takes well below a second; a loaded machine gets its time. */
const START_TIMEOUT_MS = 30_000

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** What stdin holds; without it stdin is closed. */
  readonly input?: string
  /** A name of its own for the machine, as this process sees it. Needs root, on Linux. */
  readonly hostname?: string
}

/** Runs the built program as a process, without a terminal, and waits for its end. */
export async function imgctl(args: readonly string[], options: Options = {}): Promise<Result> {
  return startImgctl(args, options).ended
}

/** The same, to be signalled while it runs. */
export function startImgctl(args: readonly string[], { env = {}, cwd, input, hostname }: Options = {}) {
  const [program = '', ...before] = hostname === undefined ? [process.execPath] : onMachine(hostname)
  const child = spawn(program, [...before, PROGRAM, ...args], {
    env: { ...cleanEnvironment(), ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin?.end(input)
  const ended = once(child, 'close').then(([code]): Result => ({ code, stdout, stderr }))
  return { child, ended, stderr: () => stderr }
}

/** Each program takes the place of the one before: the process keeps its id. */
function onMachine(hostname: string): string[] {
  return ['unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', hostname, process.execPath]
}

/** The error that `--format json` or `--progress json` wrote on stderr. */
export function jsonError({ stderr }: Result): { code: string; message: string; hint?: string } & object {
  const line = stderr.split('\n').findLast((text) => text.startsWith('{"error"'))
  if (line === undefined) throw new Error(`no JSON error in: ${stderr}`)
  return JSON.parse(line).error
}

/** What a run with `--progress json` said besides its progress. */
export function notes({ stderr }: Result): string[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('{"event":"message"'))
  return lines.map((line) => JSON.parse(line).text)
}

export interface TestServer {
  readonly url: string
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly apiKey: string
  readonly folder: string
  /** Enough for every command; config and cache are in the server's own temporary folder. */
  readonly env: Readonly<Record<string, string>>
  readonly pid: () => number
  /** What the server wrote on stderr since its last start. */
  readonly log: () => string
  /** kill -9, then a start on the same folder and port. */
  readonly crash: () => Promise<void>
  readonly restart: () => Promise<void>
  /** Ends the server and removes its folder. */
  readonly stop: () => Promise<void>
}

/** `imgctl serve` as a process, with a new data folder. */
export async function serve(extra: readonly string[] = []): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-acceptance-'))
  const first = await launch(folder, '0', extra)
  let { child, log } = first
  const url = /serves (http\S+),/.exec(first.greeting)?.[1]
  const apiKey = /(img_\S+)/.exec(first.greeting)?.[1]
  if (!url || !apiKey) throw new Error(`serve said: ${first.greeting}`)
  const { host, port } = new URL(url)
  const crash = async () => {
    child.kill('SIGKILL')
    await ended(child)
  }
  return {
    url,
    host,
    apiKey,
    folder,
    env: {
      IMGCTL_SERVER: url,
      IMGCTL_API_KEY: apiKey,
      IMGCTL_CONFIG_DIR: join(folder, 'config'),
      XDG_CACHE_HOME: join(folder, 'cache'),
    },
    pid: () => child.pid!,
    log: () => log(),
    crash,
    restart: async () => {
      const again = await launch(folder, port, extra)
      child = again.child
      log = again.log
    },
    stop: async () => {
      child.kill('SIGTERM')
      await ended(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function launch(
  folder: string,
  port: string,
  extra: readonly string[],
): Promise<{ child: ChildProcess; greeting: string; log: () => string }> {
  const args = [
    'serve',
    '--port',
    port,
    '--data',
    join(folder, 'data'),
    '--no-profile',
    '--log-level',
    'warn',
    ...extra,
  ]
  const env = { IMGCTL_CONFIG_DIR: join(folder, 'config') }
  const { child, ended, stderr } = startImgctl(args, { env })
  const deadline = Date.now() + START_TIMEOUT_MS
  let exited = false
  void ended.then(() => {
    exited = true
  })
  while (
    !/serves http\S+, .*\n(?:[\s\S]*imgctl login.*\n)?/.test(stderr()) ||
    !greetingIsWhole(stderr(), port)
  ) {
    if (exited || Date.now() > deadline) throw new Error(`the server did not start: ${stderr()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { child, greeting: stderr(), log: stderr }
}

/** The first start (on a free port) ends with the way to log in; later ones say only where they serve. */
function greetingIsWhole(text: string, port: string): boolean {
  return port !== '0' || text.includes('Log in with it')
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/**
 * What a test's process inherits: no login of the person who runs the tests nor their keychain, no engine, no
 * display, no colours.
 */
function cleanEnvironment(): Record<string, string | undefined> {
  const dropped =
    /^(?:IMGCTL_|DOCKER_|XDG_|DBUS_|SSH_|DISPLAY$|WAYLAND_DISPLAY$|BROWSER$|WSL_|CI$|NO_COLOR$|FORCE_COLOR$|(?:HTTPS?|NO|ALL)_PROXY$)/i
  const kept = Object.entries(process.env).filter(([name]) => !dropped.test(name))
  // Tests look at the files that a command leaves; what Node compiled has a test of its own.
  return { ...Object.fromEntries(kept), IMGCTL_CREDENTIAL_STORE: 'file', NODE_DISABLE_COMPILE_CACHE: '1' }
}
