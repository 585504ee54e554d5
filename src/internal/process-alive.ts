import { hasSystemCode } from './system-code.ts'

/** Whether a process of this machine runs. One of another user does too: it may not be signalled. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasSystemCode(error, 'EPERM')
  }
}
