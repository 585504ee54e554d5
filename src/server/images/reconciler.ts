import type { ServerContext } from '../context.ts'
import { CHECKING, claimNext, FETCHING, nextDue, takeOverAll } from './lease.ts'
import { openUpstream } from './open-upstream.ts'
import { imageSteps, type Steps } from './steps.ts'
import { workOn } from './work.ts'

/** Fetches last minutes and share one line to the world; more at once only make each slower. */
const FETCHES_AT_ONCE = 3
/** Checks read small things from disk. They have places of their own, so that no fetch delays a push. */
const CHECKS_AT_ONCE = 4
/** Looked for work at least so often, in case another process shares the database. */
const LOOK_AT_LEAST_MS = 60_000
/** After the database failed: long enough not to fill the log, short enough not to be noticed. */
const AFTER_FAILURE_MS = 1_000

export interface Reconciler {
  /** Looks for work at once. */
  wake(): void
  /** Breaks off what is under way and gives it back; the next start goes on with it. */
  stop(): Promise<void>
}

/**
 * Takes images through their states until each is `active` or `error`. All it needs to know is in the database, so
 * a crash loses nothing. The caller holds the lock of the data folder.
 *
 * @param steps the work of each state; given by tests of the machinery
 */
export function startReconciler(ctx: ServerContext, steps?: Steps): Reconciler {
  const upstream = openUpstream(ctx)
  const loop = new WorkLoop(ctx, steps ?? imageSteps(ctx, upstream.fetchImage))
  const ended = loop.run()
  return {
    wake: () => loop.wake(),
    async stop() {
      loop.stop()
      await ended
      await upstream.close()
    },
  }
}

class WorkLoop {
  readonly #ctx: ServerContext
  readonly #steps: Steps
  readonly #stopping = new AbortController()
  readonly #lanes = [
    { lane: FETCHING, places: FETCHES_AT_ONCE, workers: new Set<Promise<void>>() },
    { lane: CHECKING, places: CHECKS_AT_ONCE, workers: new Set<Promise<void>>() },
  ]
  #woken = Promise.withResolvers<void>()

  constructor(ctx: ServerContext, steps: Steps) {
    this.#ctx = ctx
    this.#steps = steps
  }

  wake(): void {
    this.#woken.resolve()
  }

  stop(): void {
    this.#stopping.abort()
    this.wake()
  }

  /** Resolves after `stop`, when the last worker has ended. */
  async run(): Promise<void> {
    let isTakenOver = false
    while (!this.#stopping.signal.aborted) {
      this.#woken = Promise.withResolvers()
      let wait = LOOK_AT_LEAST_MS
      try {
        if (!isTakenOver) await takeOverAll(this.#ctx.db, this.#ctx.now())
        isTakenOver = true
        wait = await this.#fillPlaces()
      } catch (error) {
        this.#ctx.log.error({ err: error }, 'the reconciler cannot look for work')
        wait = AFTER_FAILURE_MS
      }
      await this.#untilWoken(wait)
    }
    await Promise.all(this.#lanes.flatMap(({ workers }) => [...workers]))
  }

  /** @returns how long nothing will be due, milliseconds; a worker that ends wakes the loop itself */
  async #fillPlaces(): Promise<number> {
    const { db } = this.#ctx
    // One moment for both questions: what is not due at it must be among what will be.
    const now = this.#ctx.now()
    for (const { lane, places, workers } of this.#lanes) {
      while (workers.size < places) {
        const claim = await claimNext(db, lane, now)
        if (!claim) break
        const worker = workOn(this.#ctx, claim, {
          lane,
          steps: this.#steps,
          stopping: this.#stopping.signal,
        }).finally(() => {
          workers.delete(worker)
          this.wake()
        })
        workers.add(worker)
      }
    }
    const due = await nextDue(db, now)
    return due === undefined ? LOOK_AT_LEAST_MS : Math.min(LOOK_AT_LEAST_MS, due - this.#ctx.now())
  }

  async #untilWoken(ms: number): Promise<void> {
    const timer = setTimeout(() => this.wake(), Math.max(0, ms))
    await this.#woken.promise
    clearTimeout(timer)
  }
}
