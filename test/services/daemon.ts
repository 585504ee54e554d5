import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childrenOf, identify, kill } from './processes.ts'

/** Engines are ready within about 5 s; a loaded shared machine gets ten times that. */
const READY_TIMEOUT_MS = 60_000
const POLL_MS = 50

export interface DaemonOptions {
  /** Names the log and the pid file. */
  name: string
  runFolder: string
  command: readonly string[]
  env?: Record<string, string>
  /** Asked again and again until it answers something other than undefined. */
  ready: () => Promise<boolean>
}

export interface Daemon {
  logPath: string
  /** Ends the daemon and all it started, at once: its state is thrown away. Can be called again. */
  stop(): Promise<void>
}

/**
 * Starts a program as the child of the first process of a new pid namespace, with its own mounts.
 * When that first process dies, the kernel ends everything in the namespace and drops its mounts;
 * and it dies with us, even by kill -9, because the parent-death signal goes down the chain.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const logPath = join(options.runFolder, `${options.name}.log`)
  const log = openSync(logPath, 'a')
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      // The shell reaps orphans, which an engine as the first process would not.
      ...['sh', '-c', '"$@" & wait $!', 'sh', ...options.command],
    ],
    // Its own session: Ctrl-C in the terminal must reach the test runner only, which then stops us.
    { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...options.env } },
  )
  closeSync(log)
  const ended = once(child, 'exit').then(
    () => undefined,
    (error: Error) => error,
  )
  let running = true
  ended.then(() => {
    running = false
  })
  child.unref()
  if (child.pid !== undefined) record(options, child.pid)

  const stop = async (): Promise<void> => {
    if (!running || child.pid === undefined) return
    child.ref()
    // The first process of the namespace goes first: its parent ends when the whole namespace is gone.
    const first = childrenOf(child.pid)
    for (const pid of first.length > 0 ? first : [child.pid]) {
      const id = identify(pid)
      if (id !== undefined) kill(id)
    }
    await ended
  }

  const deadline = Date.now() + READY_TIMEOUT_MS
  while (!(await options.ready())) {
    if (!running || Date.now() > deadline) {
      await stop()
      const why = running ? `was not ready after ${READY_TIMEOUT_MS / 1000} s` : 'ended while starting'
      throw new Error(`${options.name} ${why}: ${lastLines(logPath)}`)
    }
    await sleep(POLL_MS)
  }
  for (const pid of childrenOf(child.pid!)) record(options, pid)
  return { logPath, stop }
}

function record(options: DaemonOptions, pid: number): void {
  const id = identify(pid)
  mkdirSync(join(options.runFolder, 'pids'), { recursive: true })
  if (id !== undefined) {
    appendFileSync(join(options.runFolder, 'pids', options.name), `${JSON.stringify(id)}\n`)
  }
}

function lastLines(path: string): string {
  return readFileSync(path, 'utf8').trim().split('\n').slice(-6).join('\n')
}
