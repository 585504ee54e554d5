import { readdirSync, readFileSync } from 'node:fs'

/** A process, safe against the reuse of its number: the start time is in clock ticks since boot. */
export interface ProcessId {
  pid: number
  startTime: string
}

/** The identity of a living process, or undefined when it is gone (a zombie counts as gone). */
export function identify(pid: number): ProcessId | undefined {
  const fields = statFields(pid)
  const startTime = fields?.[19]
  return startTime === undefined || fields?.[0] === 'Z' ? undefined : { pid, startTime }
}

export function isAlive(id: ProcessId): boolean {
  return identify(id.pid)?.startTime === id.startTime
}

export function childrenOf(pid: number): number[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return numbers.map(Number).filter((child) => statFields(child)?.[1] === String(pid))
}

/** Sends SIGKILL unless the process is gone; another process under the same number is left alone. */
export function kill(id: ProcessId): void {
  if (!isAlive(id)) return
  try {
    process.kill(id.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The fields of /proc/PID/stat after the program's name, which may hold blanks and brackets: proc(5). */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
