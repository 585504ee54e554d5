import type { ImageState, ReasonCode } from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'
import type { ImageTable } from '../store/schema.ts'
import { recordEvent } from './events.ts'
import type { Claim } from './lease.ts'
import { StepFailure, toReason } from './reasons.ts'
import { DEADLINES, transition } from './states.ts'

/** A transient failure that comes back so often is not one. */
const MAX_TRIES = 4
/** A rate limit goes away by itself, when its window ends. Docker Hub's has six hours; more is for the owner to decide. */
const MAX_RATE_LIMIT_WAIT_MS = 6 * 3_600_000
const MAX_TRIES_OF: Partial<Record<ReasonCode, number>> = { UPSTREAM_RATE_LIMITED: 10 }
/** Above every number of tries: then it is the server that ends each time in the middle of the work. */
const MAX_TRIES_EVER = 12
/** Doubles with each try, up to the maximum; half of it is random, so that images do not come back together. */
const BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 120_000

/** @throws StepFailure INTERNAL for an image on which the server ended again and again */
export function assertFewAttempts({ attempt }: ImageTable): void {
  if (attempt < MAX_TRIES_EVER) return
  throw new StepFailure('INTERNAL', `the server ended ${attempt} times while it processed the image`)
}

/**
 * Writes why a step failed. What may pass is tried again after a wait, in the same state, with the reason visible
 * meanwhile; the rest, and what will not come back before the state's deadline, ends in `error`.
 */
export async function recordFailure(ctx: ServerContext, claim: Claim, failure: StepFailure): Promise<void> {
  const { image } = claim
  const now = ctx.now()
  const level = failure.code === 'INTERNAL' ? 'error' : 'info'
  ctx.log[level]({ imageId: image.id, reason: failure.code, err: failure.cause ?? failure }, 'a step failed')
  const next = nextTry(image, failure, now)
  if (next === undefined) await end(ctx, claim, failure, now)
  else await tryAgain(ctx, claim, failure, { now, next })
}

/** When to try again; undefined: not. */
function nextTry(image: ImageTable, failure: StepFailure, now: number): number | undefined {
  const tries = image.attempt + 1
  if (!failure.retryable || tries >= (MAX_TRIES_OF[failure.code] ?? MAX_TRIES)) return undefined
  const ceiling = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** image.attempt)
  const wait = Math.max((failure.retryAfter ?? 0) * 1000, ceiling * (0.5 + Math.random() / 2))
  const deadline = image.stateSince + (DEADLINES[image.state as ImageState] ?? 0)
  const isInTime = isRateLimit(failure) ? wait <= MAX_RATE_LIMIT_WAIT_MS : now + wait < deadline
  return isInTime ? Math.ceil(now + wait) : undefined
}

function isRateLimit({ code }: StepFailure): boolean {
  return code === 'UPSTREAM_RATE_LIMITED'
}

async function end(ctx: ServerContext, claim: Claim, failure: StepFailure, now: number): Promise<void> {
  const { image, owner } = claim
  const reason = toReason(failure, now, image.attempt + 1)
  await ctx.db.transaction().execute((trx) =>
    transition(trx, image, 'error', {
      now,
      reason,
      leaseOwner: owner,
      changes: { leaseOwner: null, leaseUntil: null },
    }),
  )
}

async function tryAgain(
  ctx: ServerContext,
  { image, owner }: Claim,
  failure: StepFailure,
  { now, next }: { readonly now: number; readonly next: number },
): Promise<void> {
  const reason = toReason(failure, now, image.attempt + 1, next)
  // The upstream asked for this wait: it is not the image that is late.
  const stateSince = isRateLimit(failure) ? image.stateSince + (next - now) : image.stateSince
  await ctx.db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('images')
      .set({
        step: `next try at ${new Date(next).toISOString()}`,
        reasonJson: JSON.stringify(reason),
        attempt: image.attempt + 1,
        stateSince,
        nextAttemptAt: next,
        updatedAt: now,
        leaseOwner: null,
        leaseUntil: null,
      })
      .where('id', '=', image.id)
      .where('leaseOwner', '=', owner)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) return
    const state = image.state as ImageState
    await recordEvent(trx, { imageId: image.id, at: now, type: 'retry', state, reason, digest: image.digest })
  })
}
