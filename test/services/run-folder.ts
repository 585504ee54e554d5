import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { removeBridges } from './bridge.ts'
import { mustRun } from './command.ts'
import { withLock } from './lock.ts'
import { identify, isAlive, kill, type ProcessId } from './processes.ts'
import { cacheFolder } from './sid-root.ts'

/** Not os.tmpdir(): a unix socket's path must fit into 108 bytes. */
const PARENT = '/tmp'
const NAME = /^imgctl-(\d+)-(\d+)$/
const CGROUPS = '/sys/fs/cgroup'

/**
 * Makes the one folder of this process's run. Its name carries the owner's pid and start time, so that
 * any later run can tell a living run from a dead one without a file that may be missing.
 */
export async function createRunFolder(): Promise<string> {
  const self = identify(process.pid)
  if (self === undefined) throw new Error('this machine has no /proc')
  const folder = join(PARENT, `imgctl-${self.pid}-${self.startTime}`)
  await mkdir(join(folder, 'pids'), { recursive: true, mode: 0o755 })
  return folder
}

/** The cgroup that engines of this run put their containers into. */
export function cgroupOf(folder: string): string {
  return `/${folder.slice(PARENT.length + 1)}`
}

/** Removes what killed runs left, one sweeper at a time; folders of living runs are not touched. */
export async function sweepDeadRuns(): Promise<void> {
  if ((await deadRuns()).length === 0) return
  await withLock(join(cacheFolder(), 'sweep.lock'), async () => {
    for (const folder of await deadRuns()) await removeRunFolder(folder)
  })
}

async function deadRuns(): Promise<string[]> {
  const names = await readdir(PARENT)
  return names.filter(isDeadRun).map((name) => join(PARENT, name))
}

function isDeadRun(name: string): boolean {
  const match = NAME.exec(name)
  return match !== null && !isAlive({ pid: Number(match[1]), startTime: match[2]! })
}

/** Ends the recorded processes that still live; removes mounts, control groups, bridges and files. */
export async function removeRunFolder(folder: string): Promise<void> {
  await endRecordedProcesses(folder)
  for (const mount of mountsUnder(folder)) await mustRun('umount', ['--lazy', mount])
  await removeCgroups(folder)
  await removeBridges(folder)
  // A dying process may write a last file into a folder that is being emptied.
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

/** Mount points at or below a folder, the deepest first. Names with blanks do not occur in ours. */
export function mountsUnder(folder: string): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const points = lines.map((line) => line.split(' ')[1] ?? '')
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`)).reverse()
}

/** Control groups of a run, the deepest first; version 1 has one tree per controller. */
export function cgroupsOf(folder: string): string[] {
  const name = cgroupOf(folder)
  let roots: string[]
  try {
    roots = [CGROUPS, ...readdirSync(CGROUPS).map((controller) => join(CGROUPS, controller))]
  } catch {
    return []
  }
  return roots.flatMap((root) => foldersBelow(root + name))
}

async function removeCgroups(folder: string): Promise<void> {
  for (const path of cgroupsOf(folder)) {
    for (let attempt = 0; attempt < 20; attempt++) {
      const error = await rmdir(path).then(
        () => undefined,
        (reason: NodeJS.ErrnoException) => reason.code,
      )
      // The kernel lets go of a killed container's group a moment after its last process.
      if (error !== 'EBUSY') break
      await sleep(50)
    }
  }
}

async function endRecordedProcesses(folder: string): Promise<void> {
  const names = await readdir(join(folder, 'pids')).catch(() => [])
  const recorded: ProcessId[] = []
  for (const name of names) {
    const text = await readFile(join(folder, 'pids', name), 'utf8').catch(() => '')
    for (const line of text.split('\n').filter(Boolean)) recorded.push(JSON.parse(line) as ProcessId)
  }
  for (const id of recorded) kill(id)
  for (let attempt = 0; recorded.some(isAlive) && attempt < 100; attempt++) await sleep(50)
}

function foldersBelow(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return [...entries.flatMap((entry) => foldersBelow(join(path, entry.name))), path]
  } catch {
    return []
  }
}
