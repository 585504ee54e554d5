import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findProgram } from '../../test/services/install.ts'
import type { Report, Task } from './generator.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
const GENERATOR = join(import.meta.dirname, 'generator.ts')
const START_TIMEOUT_MS = 60_000
const POLL_MS = 3

/** A server under test, on a folder of its own. */
export abstract class Contender {
  abstract readonly who: string
  readonly folder: string
  readonly port: number
  protected child: ChildProcess | undefined

  protected constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Where blobs and manifests of a repository go: our registry has the organization before it. */
  abstract repository(name: string): string
  /** For requests to a repository. */
  abstract headers(name: string): Promise<Record<string, string>>
  protected abstract readonly readyPath: string
  protected abstract command(): { program: string; args: readonly string[] }
  protected heard(_text: string): void {}

  /** Starts the server. @returns seconds until it answered that it is ready */
  async start(): Promise<number> {
    const started = performance.now()
    const { program, args } = this.command()
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, IMGCTL_CONFIG_DIR: join(this.folder, 'config') },
    })
    this.child = child
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000)
      this.heard(text)
    })
    while (!(await this.#isReady())) {
      const isLate = performance.now() - started > START_TIMEOUT_MS
      if (child.exitCode !== null || isLate) throw new Error(`${this.who} did not start: ${said}`)
      await sleep(POLL_MS)
    }
    return (performance.now() - started) / 1000
  }

  async stop(): Promise<void> {
    const child = this.child
    if (!child || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  async close(): Promise<void> {
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Runs the load of a client process against a repository. */
  async load(name: string, task: Omit<Task, 'origin' | 'headers' | 'repository'>): Promise<Report> {
    const whole: Task = {
      ...task,
      origin: this.origin,
      headers: await this.headers(name),
      repository: this.repository(name),
    }
    return generate(whole)
  }

  /** MB in memory now, and the most since the last `forgetPeak`. Linux only. */
  async memory(): Promise<{ now: number; peak: number }> {
    const status = await readFile(`/proc/${this.child!.pid}/status`, 'utf8')
    const mb = (field: string) =>
      Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)![1]) / 1000)
    return { now: mb('VmRSS'), peak: mb('VmHWM') }
  }

  /** proc(5), clear_refs: 5 sets the peak to what is in memory now. */
  async forgetPeak(): Promise<void> {
    await writeFile(`/proc/${this.child!.pid}/clear_refs`, '5')
  }

  async #isReady(): Promise<boolean> {
    const answer = await fetch(this.origin + this.readyPath).catch(() => undefined)
    await answer?.arrayBuffer().catch(() => {})
    return answer?.ok === true
  }
}

export class Imgctl extends Contender {
  readonly who = 'imgctl serve'
  protected readonly readyPath = '/api/health/ready'
  #key = ''

  static async create(): Promise<Imgctl> {
    return new Imgctl(await newFolder(), await freePort())
  }

  get database(): string {
    return join(this.folder, 'data', 'imgctl.db')
  }

  get key(): string {
    return this.#key
  }

  override repository(name: string): string {
    return `default/${name}`
  }

  /** A token of the token endpoint, as docker and podman get one. */
  override async headers(name: string): Promise<Record<string, string>> {
    const basic = Buffer.from(`bench:${this.#key}`).toString('base64')
    const scope = `repository:${this.repository(name)}:pull,push`
    const answer = await fetch(`${this.origin}/api/registry/token?scope=${scope}`, {
      headers: { authorization: `Basic ${basic}` },
    })
    const { token } = (await answer.json()) as { token: string }
    return { authorization: `Bearer ${token}` }
  }

  /** Times of a query of the images API, one after the other. */
  async list(query: string, times: number): Promise<Report> {
    const task: Task = {
      kind: 'rate',
      origin: this.origin,
      headers: { authorization: `Bearer ${this.#key}` },
      connections: 1,
      path: `/api/images${query}`,
      times,
    }
    return generate(task)
  }

  protected override command() {
    const options = ['--data', join(this.folder, 'data'), '--port', String(this.port), '--no-profile']
    return { program: process.execPath, args: [PROGRAM, 'serve', ...options, '--log-level', 'warn'] }
  }

  protected override heard(text: string): void {
    this.#key ||= /(img_\S{43})/.exec(text)?.[1] ?? ''
  }
}

/** CNCF distribution 2.8.2, as Debian packages it: open to all, without a cache beside the file system's. */
export class Distribution extends Contender {
  readonly who = 'distribution'
  protected readonly readyPath = '/v2/'

  static async create(): Promise<Distribution> {
    const distribution = new Distribution(await newFolder(), await freePort())
    const { folder, port } = distribution
    await mkdir(join(folder, 'data'))
    const config = {
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: `127.0.0.1:${port}`, secret: 'bench' },
    }
    await writeFile(join(folder, 'config.yml'), JSON.stringify(config))
    return distribution
  }

  override repository(name: string): string {
    return name
  }

  override async headers(): Promise<Record<string, string>> {
    return {}
  }

  protected override command() {
    const program = findProgram('docker-registry') ?? 'docker-registry'
    return { program, args: ['serve', join(this.folder, 'config.yml')] }
  }
}

async function generate(task: Task): Promise<Report> {
  const { stdout } = await promisify(execFile)(process.execPath, [GENERATOR, JSON.stringify(task)])
  return JSON.parse(stdout) as Report
}

async function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'imgctl-bench-server-'))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
