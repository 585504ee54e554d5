import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Far more than the start of a bus and a daemon takes. */
const START_MS = 15_000

/** GNOME's keyring on a session bus of its own. */
export interface Keyring {
  /** What a program needs to find it. */
  readonly env: Readonly<Record<string, string>>
  /** All that secret-tool sees of imgctl's, secrets included. */
  readonly search: () => Promise<string>
  /** Stops the daemon's process for the time of `action`: it is there, and never answers. */
  readonly frozen: <T>(action: () => Promise<T>) => Promise<T>
  readonly stop: () => Promise<void>
}

/** @param unlocked a locked one asks for its password, which here nobody can see */
export async function startKeyring({ unlocked = true } = {}): Promise<Keyring> {
  const home = mkdtempSync(join(tmpdir(), 'imgctl-keyring-'))
  const start = unlocked
    ? 'printf pw | gnome-keyring-daemon --unlock --components=secrets'
    : 'gnome-keyring-daemon --start --components=secrets'
  const script = `${start} >/dev/null && echo "shell=$$ bus=$DBUS_SESSION_BUS_ADDRESS" && exec sleep 3600`
  const env = { PATH: process.env['PATH']!, HOME: home, XDG_RUNTIME_DIR: home }
  const session = spawn('dbus-run-session', ['--', 'sh', '-c', script], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { shell, bus } = await addressOf(session)
  const address = { DBUS_SESSION_BUS_ADDRESS: bus }
  const daemon = await daemonPid({ ...env, ...address })
  return {
    env: { ...address, IMGCTL_CREDENTIAL_STORE: '' },
    search: async () => {
      const args = ['search', '--all', '--unlock', 'service', 'imgctl']
      const found = await run('secret-tool', args, { env: { ...env, ...address } }).catch(() => undefined)
      return found ? `${found.stdout}${found.stderr}` : ''
    },
    frozen: async (action) => {
      process.kill(daemon, 'SIGSTOP')
      try {
        return await action()
      } finally {
        process.kill(daemon, 'SIGCONT')
      }
    },
    stop: async () => {
      process.kill(daemon, 'SIGKILL')
      const ended = new Promise((resolve) => session.once('exit', resolve))
      // The session ends with its shell, and takes its bus along; a signal to itself would leave the bus.
      process.kill(shell, 'SIGTERM')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Who answers for secrets on a bus. The daemon's start returns a moment before it does. */
async function daemonPid(env: Record<string, string>): Promise<number> {
  const call = ['--session', '--print-reply', '--dest=org.freedesktop.DBus', '/']
  const method = ['org.freedesktop.DBus.GetConnectionUnixProcessID', 'string:org.freedesktop.secrets']
  const deadline = Date.now() + START_MS
  for (;;) {
    try {
      const { stdout } = await run('dbus-send', [...call, ...method], { env })
      return Number(/uint32 (\d+)/.exec(stdout)?.[1])
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function addressOf(session: ChildProcess): Promise<{ shell: number; bus: string }> {
  let text = ''
  session.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const deadline = Date.now() + START_MS
  for (;;) {
    const [, shell, bus] = /^shell=(\d+) bus=(\S+)$/m.exec(text) ?? []
    if (shell !== undefined && bus !== undefined) return { shell: Number(shell), bus }
    if (Date.now() > deadline || session.exitCode !== null) throw new Error(`no session bus: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
