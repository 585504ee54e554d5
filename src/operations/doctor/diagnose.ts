import type { Probes } from '../../ports/diagnosis.ts'
import { type Check, type Finding, fail, failed } from './check.ts'
import { checkClock } from './clock-check.ts'
import { checkEngine } from './engine-check.ts'
import { checkLogin, checkRegistry, checkServer } from './server-checks.ts'
import {
  checkCertificates,
  checkCredentialStore,
  checkDisk,
  checkDockerCredentials,
  checkNode,
  checkProxy,
} from './surroundings-checks.ts'

/** All checks run side by side in this time: what answers later is as good as broken for a person who waits. */
export const DIAGNOSIS_TIMEOUT_MS = 5_000

/**
 * Looks at everything that imgctl needs. Changes nothing; a check that fails is a finding, not an error.
 *
 * @throws the signal's reason
 */
export async function diagnose(
  probes: Probes,
  signal: AbortSignal,
  timeoutMs = DIAGNOSIS_TIMEOUT_MS,
): Promise<Check[]> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), timeoutMs)
  const limited = AbortSignal.any([signal, deadline.signal])
  const late = expiry(limited, timeoutMs)
  try {
    const checks = startChecks(probes, limited).map(async ([name, finding]): Promise<Check> => {
      return { name, ...(await Promise.race([settle(finding, limited, late), late])) }
    })
    const done = await Promise.all(checks)
    signal.throwIfAborted()
    return done
  } finally {
    clearTimeout(timer)
  }
}

function startChecks(probes: Probes, signal: AbortSignal): [string, Promise<Finding>][] {
  const config = probes.serverConfig(signal)
  // The checks that need it tell; this keeps a failure from counting as one that nobody looked at.
  config.catch(() => {})
  return [
    ['engine', checkEngine(probes, signal)],
    ['server', checkServer(probes, config)],
    ['clock', checkClock(probes, config, signal)],
    ['login', checkLogin(probes, config, signal)],
    ['registry', checkRegistry(probes, config, signal)],
    ['credential store', checkCredentialStore(probes)],
    ['docker credentials', checkDockerCredentials(probes)],
    ['proxy', checkProxy(probes)],
    ['certificates', checkCertificates(probes)],
    ['node', checkNode(probes)],
    ['disk', checkDisk(probes)],
  ]
}

/** An error that the deadline made is the deadline. */
async function settle(
  finding: Promise<Finding>,
  limited: AbortSignal,
  late: Promise<Finding>,
): Promise<Finding> {
  try {
    return await finding
  } catch (error) {
    return limited.aborted ? late : failed(error)
  }
}

/** Comes when the signal aborts. */
function expiry(limited: AbortSignal, timeoutMs: number): Promise<Finding> {
  const finding = fail(
    `no answer in ${timeoutMs / 1000} s`,
    'see whether the network or a VM hangs, and try again',
  )
  return new Promise((resolve) => {
    limited.addEventListener('abort', () => resolve(finding), { once: true })
  })
}
