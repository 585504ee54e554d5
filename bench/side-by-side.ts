import { spawnSync } from 'node:child_process'

export interface Contestant {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

export interface Measured {
  readonly name: string
  /** Milliseconds, one per round. */
  readonly times: readonly number[]
}

/**
 * Runs each contestant once per round, in turn, so that a machine that slows down slows all of them. The first round
 * warms caches and is not counted.
 */
export function sideBySide(contestants: readonly Contestant[], rounds: number): Measured[] {
  const times = contestants.map((): number[] => [])
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { name, command, args }] of contestants.entries()) {
      const started = process.hrtime.bigint()
      const { status, error } = spawnSync(command, args, { stdio: 'ignore' })
      const ms = Number(process.hrtime.bigint() - started) / 1e6
      if (error || status !== 0) throw new Error(`${name} failed (exit ${status})`, { cause: error })
      if (round > 0) times[i]!.push(ms)
    }
  }
  return contestants.map(({ name }, i) => ({ name, times: times[i]! }))
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of the ratios round by round: what noise leaves of a comparison. */
export function ratio(ours: Measured, base: Measured): number {
  return median(ours.times.map((ms, i) => ms / base.times[i]!))
}
