import { readFile } from 'node:fs/promises'

/** The most memory that a process had until its end, in MB: the kernel keeps the maximum, the last reading is it. */
export async function peakUntil(pid: number, end: Promise<unknown>): Promise<number> {
  let highest = 0
  let done = false
  void end.then(() => {
    done = true
  })
  while (!done) {
    highest = Math.max(highest, await peak(pid))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return highest
}

/** The most memory that a process has had so far, in MB. Linux only. */
export async function peak(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1000)
}
