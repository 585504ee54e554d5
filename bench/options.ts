import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** Small inputs: shows that the benchmark works, judges no goal. */
  readonly quick: boolean
  readonly rounds: number
  /** Where the results are also written, as JSON. */
  readonly json: string | undefined
  /** Parts to run; undefined: all. */
  readonly only: readonly string[] | undefined
}

/** @throws TypeError for an option that there is not */
export function benchOptions(args: string[], defaults: Pick<BenchOptions, 'rounds'>): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: String(defaults.rounds) },
      json: { type: 'string' },
      only: { type: 'string' },
    },
  })
  return {
    quick: values.quick,
    rounds: Math.max(1, Number.parseInt(values.rounds, 10)),
    json: values.json,
    only: values.only?.split(','),
  }
}
