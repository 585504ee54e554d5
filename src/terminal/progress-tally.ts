import { humanBytes, humanDuration } from './humanize.ts'

/** The rate is that of the last seconds, so that it follows the network. */
const RATE_WINDOW_MS = 5_000
/** Samples closer than this are merged: an item may report each chunk. */
const SAMPLE_MS = 200
/** Before that the first bytes, which only fill buffers, would be taken for the rate. */
const ETA_AFTER_MS = 3_000

export interface Item {
  readonly id: string
  readonly label: string
  readonly done: number
  readonly total: number | undefined
  readonly status: string | undefined
}

/** The phase, its items and its rate: what every view of progress is drawn from. */
export class Tally {
  readonly #now: () => number
  readonly #items = new Map<string, Item>()
  readonly #steps = new Map<string, { readonly label: string; readonly since: number }>()
  readonly #samples: { at: number; done: number }[] = []
  #phase: string | undefined
  #startedAt = 0
  #total: number | undefined
  #done = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get phase(): string | undefined {
    return this.#phase
  }

  get items(): Iterable<Item> {
    return this.#items.values()
  }

  /** What runs without an amount, since when. */
  get steps(): Iterable<{ readonly label: string; readonly since: number }> {
    return this.#steps.values()
  }

  step(id: string, label: string, ended: string | undefined): void {
    if (ended === undefined) this.#steps.set(id, { label, since: this.#now() })
    else this.#steps.delete(id)
  }

  start(phase: string, total: number | undefined): void {
    this.#phase = phase
    this.#startedAt = this.#now()
    this.#total = total
    this.#done = 0
    this.#items.clear()
    this.#steps.clear()
    this.#samples.length = 0
    this.#samples.push({ at: this.#startedAt, done: 0 })
  }

  update(item: Item): void {
    const before = this.#items.get(item.id)
    this.#done += item.done - (before?.done ?? 0)
    this.#items.set(item.id, item)
    // What is complete when it is first heard of took no time: it says nothing of the rate.
    if (!before && item.done === item.total) for (const sample of this.#samples) sample.done += item.done
    this.#sample()
  }

  /** Milliseconds since the phase began. */
  get elapsed(): number {
    return this.#now() - this.#startedAt
  }

  /** Bytes, bytes per second, and milliseconds that are left; undefined while nothing can be said. */
  get state(): { done: number; total: number | undefined; rate: number; etaMs: number | undefined } {
    const total = this.#total ?? this.#sumOfTotals()
    const rate = this.#rate()
    const isKnown = rate > 0 && total !== undefined && total > this.#done && this.elapsed >= ETA_AFTER_MS
    return {
      done: this.#done,
      total,
      rate,
      etaMs: isKnown ? ((total - this.#done) / rate) * 1000 : undefined,
    }
  }

  /** `upload  12.3 MB / 1.20 GB  10%  5.00 MB/s  3m 57s left`, as far as it is known. */
  summary(): string {
    const parts = [this.#phase ?? '']
    if (this.#isStill()) return parts[0]!
    const { done, total, rate, etaMs } = this.state
    if (done > 0 || total) parts.push(total ? `${humanBytes(done)} / ${humanBytes(total)}` : humanBytes(done))
    if (total) parts.push(`${Math.min(100, Math.floor((done / total) * 100))}%`)
    if (rate > 0) parts.push(`${humanBytes(rate)}/s`)
    if (etaMs !== undefined) parts.push(`${humanDuration(etaMs)} left`)
    return parts.join('  ')
  }

  /** Nothing that can be counted moves: the amounts and rates of what ended say nothing of what runs now. */
  #isStill(): boolean {
    if (this.#steps.size === 0) return false
    return [...this.#items.values()].every(({ done, total }) => total !== undefined && done >= total)
  }

  #sample(): void {
    const at = this.#now()
    const last = this.#samples.at(-1)
    if (last && at - last.at < SAMPLE_MS) return
    this.#samples.push({ at, done: this.#done })
    while (this.#samples.length > 2 && at - this.#samples[0]!.at > RATE_WINDOW_MS) this.#samples.shift()
  }

  /** Bytes per second; 0 while nothing can be said. */
  #rate(): number {
    const first = this.#samples[0]
    const elapsed = first ? this.#now() - first.at : 0
    return elapsed < SAMPLE_MS ? 0 : Math.max(0, ((this.#done - first!.done) / elapsed) * 1000)
  }

  #sumOfTotals(): number | undefined {
    let sum = 0
    for (const { total } of this.#items.values()) {
      if (total === undefined) return undefined
      sum += total
    }
    return sum || undefined
  }
}
