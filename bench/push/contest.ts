import { join } from 'node:path'
import type { Registry } from '../../test/services/registry.ts'
import type { Run } from '../measure.ts'
import type { Row } from '../results.ts'
import { median } from '../side-by-side.ts'
import { type Arena, storedBytes } from './arena.ts'
import { countingProxy } from './counting-proxy.ts'
import type { BenchImage } from './image-set.ts'

/** Pushes that take milliseconds are repeated: the median of so many. */
const QUICK_PUSHES = 5

/** One who pushes an image, ready to do it again. */
export interface Contestant {
  readonly who: string
  /** Pushes what `source` names to `HOST/REPOSITORY:TAG`. */
  push(to: string): Promise<Run>
  /** Puts one small layer on top, and answers how to push that. */
  change?(): Promise<(to: string) => Promise<Run>>
  /** Also counts what an unchanged push sends. */
  readonly counted?: boolean
}

export interface ContestOptions {
  readonly rounds: number
  /** What is done after the cold push. */
  readonly later: readonly ('unchanged' | 'changed')[]
}

/**
 * One image, several who push it, in turn: cold to an empty registry, again with nothing changed, and with one small
 * layer on top.
 *
 * @returns a row per case and contestant, the seconds as medians
 */
export async function contest(
  arena: Arena,
  title: string,
  image: BenchImage,
  contestants: () => Promise<readonly Contestant[]>,
  { rounds, later }: ContestOptions,
): Promise<Row[]> {
  const runs = new Runs()
  for (let round = 0; round < rounds; round++) {
    for (const one of await contestants()) {
      await arena.withRegistry(async (registry) => {
        const to = (tag: string, host = registry.host) => `${host}/bench/${image.name}:${tag}`
        runs.add(`${title}, cold`, one.who, await one.push(to('1.0')), {
          'stored MB': (await storedBytes(registry, `bench/${image.name}`, '1.0')) / 1e6,
        })
        if (later.includes('unchanged')) await unchanged(runs, `${title}, unchanged`, one, registry, to)
        if (later.includes('changed') && one.change) {
          const push = await one.change()
          runs.add(`${title}, one small layer changed`, one.who, await push(to('1.1')))
        }
      })
    }
  }
  return runs.rows()
}

async function unchanged(
  runs: Runs,
  title: string,
  one: Contestant,
  registry: Registry,
  to: (tag: string, host?: string) => string,
): Promise<void> {
  const first = await one.push(to('1.0'))
  runs.add(title, one.who, first)
  // Those that read everything again say the same each time.
  const isQuick = first.seconds < 3
  for (let i = 1; isQuick && i < QUICK_PUSHES; i++) runs.add(title, one.who, await one.push(to('1.0')))
  if (!one.counted) return
  const proxy = await countingProxy(registry.host)
  try {
    await one.push(to('1.0', proxy.host))
    runs.note(title, one.who, { 'sent MB': proxy.sent() / 1e6 })
  } finally {
    await proxy.close()
  }
}

/** Collects runs by case and contestant. */
export class Runs {
  readonly #cells = new Map<
    string,
    { title: string; who: string; runs: Run[]; notes: Record<string, number> }
  >()

  add(title: string, who: string, run: Run, notes: Record<string, number> = {}): void {
    console.error(`  ${title} · ${who}: ${run.seconds.toFixed(2)} s`)
    this.#cell(title, who).runs.push(run)
    this.note(title, who, notes)
  }

  note(title: string, who: string, notes: Record<string, number>): void {
    Object.assign(this.#cell(title, who).notes, notes)
  }

  /** Cases together, in the order in which they came first; ratios to the first contestant of each case. */
  rows(): Row[] {
    const cells = [...this.#cells.values()]
    const titles = [...new Set(cells.map(({ title }) => title))]
    return titles.flatMap((title) => {
      const ofCase = cells.filter((cell) => cell.title === title)
      const base = median(ofCase[0]!.runs.map(({ seconds }) => seconds))
      return ofCase.map(({ who, runs, notes }): Row => {
        const seconds = median(runs.map((run) => run.seconds))
        const cpu = median(runs.map((run) => run.cpu))
        const rss = Math.max(...runs.map((run) => run.rss))
        return {
          case: title,
          who,
          values: {
            seconds,
            ratio: seconds / base,
            'CPU s': known(cpu),
            'RSS MB': known(rss),
            'stored MB': notes['stored MB'],
            'sent MB': notes['sent MB'],
          },
        }
      })
    })
  }

  #cell(title: string, who: string) {
    const key = join(title, who)
    const cell = this.#cells.get(key) ?? { title, who, runs: [], notes: {} }
    this.#cells.set(key, cell)
    return cell
  }
}

function known(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}
