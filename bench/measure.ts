import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What one run of a program took. */
export interface Run {
  readonly seconds: number
  /** CPU seconds of the program and all it started. Without the engine, which does its work elsewhere. */
  readonly cpu: number
  /** The most memory that one of its processes had, in MB. Linux only: reads /proc. */
  readonly rss: number
}

export interface Program {
  readonly command: readonly string[]
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/** Memory and CPU time only grow, so the last reading before a process ends is what it had, but for this long. */
const POLL_MS = 20
/** Linux: USER_HZ is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100
/** A push of 2 GB by one core, on a loaded machine. */
const TIMEOUT_MS = 15 * 60_000

/** Runs a program to its end. @throws when it fails, with the end of what it said */
export async function measure({ command, env = {} }: Program): Promise<Run> {
  const [program, ...args] = command
  const started = process.hrtime.bigint()
  const child = spawn(program!, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000)
    })
  }
  const tree = new ProcessTree(child.pid!)
  const poll = setInterval(() => tree.look(), POLL_MS)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    })
    const seconds = Number(process.hrtime.bigint() - started) / 1e9
    if (code !== 0) throw new Error(`${command.join(' ')} ended with code ${code}: ${said}`)
    return { seconds, cpu: tree.cpu, rss: tree.rss }
  } finally {
    clearInterval(poll)
  }
}

/** A process and its descendants, as /proc shows them while they live. */
class ProcessTree {
  rss = 0
  readonly #root: number
  readonly #ticks = new Map<number, number>()

  constructor(root: number) {
    this.#root = root
  }

  get cpu(): number {
    return [...this.#ticks.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND
  }

  look(): void {
    for (const pid of this.#pids()) {
      const status = read(`/proc/${pid}/status`)
      this.rss = Math.max(this.rss, Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1000))
      const stat = read(`/proc/${pid}/stat`)
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // proc(5): utime and stime are fields 14 and 15, the state is the third.
      if (fields.length > 12) this.#ticks.set(pid, Number(fields[11]) + Number(fields[12]))
    }
  }

  #pids(): number[] {
    const found = [this.#root]
    for (const pid of found) {
      for (const task of list(`/proc/${pid}/task`)) {
        const children = read(`/proc/${pid}/task/${task}/children`).trim()
        if (children !== '') found.push(...children.split(' ').map(Number))
      }
    }
    return found
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
