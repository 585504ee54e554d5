import type { Probes } from '../../ports/diagnosis.ts'
import { type AskedConfig, answers, NO_SERVER } from './asked-config.ts'
import { type Finding, ok, skip, warn } from './check.ts'

/** Tokens and certificates that are new or at their end are refused by a clock that is further off than this. */
const TOLERATED_MS = 2 * 60_000
const MINUTE_MS = 60_000

/** How a system sets its clock by the network, by the names that Node has for systems. */
const SET_CLOCK: Readonly<Record<string, string>> = {
  linux: 'sudo timedatectl set-ntp true',
  darwin: 'sudo sntp -sS time.apple.com',
  win32: 'w32tm /resync',
}

/** Whether this machine and the server agree on the time. Which of them is wrong cannot be told from here. */
export async function checkClock(
  { serverClock, runtime }: Pick<Probes, 'serverClock' | 'runtime'>,
  config: AskedConfig,
  signal: AbortSignal,
): Promise<Finding> {
  if (!(await answers(config))) return skip(NO_SERVER)
  const clock = await serverClock(signal)
  if (clock === undefined) return skip('the server does not tell the time')
  const aheadMs = clock.here - clock.server
  if (Math.abs(aheadMs) <= TOLERATED_MS) return ok('this machine and the server agree on the time')
  const details = [
    `here: ${new Date(clock.here).toISOString()}`,
    `server: ${new Date(clock.server).toISOString()}`,
  ]
  const system = runtime.platform.split('/')[0] ?? ''
  const set = SET_CLOCK[system] ?? 'set the clock by the network'
  return warn(
    `the clock here is ${duration(aheadMs)} the server's: logins and certificates may be refused`,
    `${set}, here or on the server, whichever is wrong`,
    details,
  )
}

function duration(aheadMs: number): string {
  const minutes = Math.round(Math.abs(aheadMs) / MINUTE_MS)
  const length = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
  return `${length} ${aheadMs > 0 ? 'ahead of' : 'behind'}`
}
