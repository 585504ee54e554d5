import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { bridgesOf } from './bridge.ts'
import type { ServiceName, ServicesDescription } from './index.ts'
import { cgroupsOf, mountsUnder } from './run-folder.ts'

export interface OtherRun {
  description: ServicesDescription
  /** Ends it the good way. */
  stop: () => Promise<void>
  kill: () => Promise<void>
}

const children: ChildProcess[] = []

/** Starts a test run of its own in another process: `node` that starts services and waits. */
export async function startRun(only: readonly ServiceName[]): Promise<OtherRun> {
  const program = `
    import { startServices, stopServices } from ${JSON.stringify(import.meta.resolve('./index.ts'))}
    const services = await startServices({ only: ${JSON.stringify(only)} })
    console.log(JSON.stringify(services.description))
    process.stdin.once('data', async () => { await stopServices(); process.exit() })`
  const flags = ['--input-type=module', '--eval', program]
  const child = spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('the run ended while starting'))),
  ])) as [string]
  const description = JSON.parse(line) as ServicesDescription
  const end = async (action: () => void) => {
    const exited = once(child, 'exit')
    action()
    await exited
  }
  return {
    description,
    stop: () => end(() => child.stdin.write('stop\n')),
    kill: () => end(() => child.kill('SIGKILL')),
  }
}

/** Kills the runs that a failed test left. */
export function killRuns(): void {
  for (const child of children.splice(0)) child.kill('SIGKILL')
}

/** The processes that name the folder on their command line. */
export function processesOf(folder: string): string[] {
  const commands = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return commands.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
    } catch {
      return false
    }
  })
}

/** Whatever there is of a run: its folder, processes, mounts, control groups and network bridges. */
export function leftovers(folder: string): string[] {
  const files = existsSync(folder) ? [folder] : []
  return [
    ...files,
    ...processesOf(folder),
    ...mountsUnder(folder),
    ...cgroupsOf(folder),
    ...bridgesOf(folder),
  ]
}
