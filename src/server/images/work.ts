import type { ImageState } from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'
import type { ImageTable } from '../store/schema.ts'
import { type Claim, type Lane, RENEWAL_MS, releaseLease, renewLease } from './lease.ts'
import { StepFailure, toFailure } from './reasons.ts'
import { assertFewAttempts, recordFailure } from './record-failure.ts'
import { DEADLINES, transition } from './states.ts'
import type { StepResult, Steps } from './steps.ts'

export interface Workplace {
  readonly lane: Lane
  readonly steps: Steps
  readonly stopping: AbortSignal
}

/** Closing connections and removing a half-written file takes milliseconds; a step that hears nothing is left behind. */
const BREAK_OFF_MS = 1_000

/** Why a step was broken off without a fault of the image. */
class LeaseLost extends Error {}
class ServerStops extends Error {}

/**
 * Takes one claimed image through the states of the lane. Never rejects: what fails is written to the image, and
 * what cannot even be written is logged, and the image is free again when the lease ends.
 */
export async function workOn(ctx: ServerContext, claim: Claim, place: Workplace): Promise<void> {
  const breakOff = new AbortController()
  const stop = () => breakOff.abort(new ServerStops())
  place.stopping.addEventListener('abort', stop)
  if (place.stopping.aborted) stop()
  const renewal = setInterval(async () => {
    const isKept = await renewLease(ctx.db, claim, ctx.now()).catch(() => true)
    if (!isKept) breakOff.abort(new LeaseLost())
  }, RENEWAL_MS)
  try {
    let image: ImageTable | undefined = claim.image
    while (image && isIn(place.lane, image.state)) {
      image = await advance(ctx, { ...claim, image }, place, breakOff.signal)
    }
  } catch (error) {
    ctx.log.error({ err: error, imageId: claim.image.id }, 'an image is left to the end of its lease')
  } finally {
    clearInterval(renewal)
    place.stopping.removeEventListener('abort', stop)
  }
}

/** One step. @returns the image in its next state; undefined when there is nothing more to do with it */
async function advance(
  ctx: ServerContext,
  claim: Claim,
  place: Workplace,
  brokenOff: AbortSignal,
): Promise<ImageTable | undefined> {
  const deadline = new AbortController()
  const signal = AbortSignal.any([brokenOff, deadline.signal])
  const timer = startDeadline(claim.image, ctx.now(), deadline)
  try {
    const step = place.steps[claim.image.state as ImageState]
    if (!step) throw new Error(`no step for the state ${claim.image.state}`)
    assertFewAttempts(claim.image)
    signal.throwIfAborted()
    const result = await Promise.race([step(claim.image, signal), overdue(signal)])
    return await commit(ctx, claim, place.lane, result)
  } catch (error) {
    const why = signal.aborted ? signal.reason : error
    if (why instanceof LeaseLost) return undefined
    if (why instanceof ServerStops) await releaseLease(ctx.db, claim)
    else await recordFailure(ctx, claim, toFailure(why))
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

/** The clock of the state itself: what came before it does not count. */
function startDeadline(image: ImageTable, now: number, deadline: AbortController) {
  const allowed = DEADLINES[image.state as ImageState] ?? 0
  const left = image.stateSince + allowed - now
  const minutes = Math.round(allowed / 60_000)
  const expire = () =>
    deadline.abort(new StepFailure('TIMEOUT', `${image.state} took longer than ${minutes} minutes`))
  if (left > 0) return setTimeout(expire, left)
  expire()
  return undefined
}

/** Rejects some time after the signal: the step has that long to clean up and end by itself. */
function overdue(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => setTimeout(() => reject(signal.reason), BREAK_OFF_MS)
    signal.addEventListener('abort', giveUp, { once: true })
  })
}

/** Moves the row and runs the step's own writes in one transaction, if the lease still holds. */
async function commit(
  { db, now }: ServerContext,
  { image, owner }: Claim,
  lane: Lane,
  { to, changes, commit: write }: StepResult,
): Promise<ImageTable | undefined> {
  const given = isIn(lane, to) ? {} : { leaseOwner: null, leaseUntil: null }
  return db.transaction().execute(async (trx) => {
    const options = { now: now(), leaseOwner: owner, changes: { ...changes, ...given } }
    if (!(await transition(trx, image, to, options))) return undefined
    await write?.(trx)
    return trx.selectFrom('images').selectAll().where('id', '=', image.id).executeTakeFirst()
  })
}

function isIn({ states }: Lane, state: string): boolean {
  return (states as readonly string[]).includes(state)
}
