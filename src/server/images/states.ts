import type { ImageState, Reason } from '../../contract/image.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { type EventType, recordEvent } from './events.ts'

/** Where an image may go from each state. `removing` ends with the row. */
export const TRANSITIONS: Readonly<Record<ImageState, readonly ImageState[]>> = {
  build_pending: ['building', 'pending', 'error', 'removing'],
  building: ['pending', 'error', 'removing'],
  pending: ['pending', 'pulling_image', 'pending_validation', 'error', 'removing'],
  pulling_image: ['pending', 'pending_validation', 'error', 'removing'],
  pending_validation: ['pending', 'validating', 'error', 'removing'],
  validating: ['pending', 'active', 'error', 'removing'],
  active: ['pending', 'removing'],
  error: ['pending', 'removing'],
  removing: [],
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/**
 * How long an image may be in a state, counted from when that state began (never from its creation), in
 * milliseconds. What only waits for its turn gets a day: a long queue is no fault of the image.
 */
export const DEADLINES: Readonly<Partial<Record<ImageState, number>>> = {
  build_pending: 24 * HOUR,
  /** A large build from a cold cache takes half an hour; twice that is stuck. */
  building: HOUR,
  pending: 24 * HOUR,
  /** 20 GB at 10 MB/s take 33 minutes, and a rate-limited upstream may ask for an hour's patience. */
  pulling_image: 2 * HOUR,
  pending_validation: 24 * HOUR,
  /** Validation reads a few kilobytes and looks at sizes: what takes minutes is stuck. */
  validating: 10 * MINUTE,
}

/** The states in which the server still has work to do. */
export const WORKING_STATES: readonly ImageState[] = [
  'pending',
  'pulling_image',
  'pending_validation',
  'validating',
]

/** The words a person reads while the server works (`Image.step`). */
const STEPS: Readonly<Partial<Record<ImageState, string>>> = {
  build_pending: 'waiting for a builder',
  building: 'building',
  pending: 'queued',
  pulling_image: 'fetching from the source registry',
  pending_validation: 'waiting to be checked',
  validating: 'checking manifest, blobs and platform',
  removing: 'removing',
}

export function canTransition(from: ImageState, to: ImageState): boolean {
  return TRANSITIONS[from].includes(to)
}

/** The columns that every new state starts with. */
export function stateColumns(to: ImageState, now: number, reason?: Reason) {
  return {
    state: to,
    step: STEPS[to] ?? null,
    reasonJson: reason ? JSON.stringify(reason) : null,
    stateSince: now,
    attempt: 0,
    nextAttemptAt: now,
    updatedAt: now,
  }
}

export interface TransitionOptions {
  readonly now: number
  /** Only with `error`: any other state begins without a reason. */
  readonly reason?: Reason
  readonly actor?: string | null
  /** What the history calls it; `state` unless told. */
  readonly event?: EventType
  /** Columns that change in the same statement. */
  readonly changes?: Partial<Omit<ImageTable, 'id' | 'state'>>
  /** Change nothing unless this worker still holds the lease; without it the lease is taken away from whoever has it. */
  readonly leaseOwner?: string
}

export type ImageAt = Pick<ImageTable, 'id' | 'state' | 'digest'>

/**
 * Moves an image to another state: writes the row (its clock, attempts and reason start anew) and its history.
 *
 * @returns false, with nothing written, when the image is gone, is in another state by now, or the lease is lost
 * @throws Error for a transition that the table does not have: a bug, not an outcome
 */
export async function transition(
  trx: Trx,
  image: ImageAt,
  to: ImageState,
  options: TransitionOptions,
): Promise<boolean> {
  const from = image.state as ImageState
  if (!canTransition(from, to)) throw new Error(`an image cannot go from ${from} to ${to}`)
  const { now, reason, leaseOwner, changes = {} } = options
  const lease = leaseOwner === undefined ? { leaseOwner: null, leaseUntil: null } : {}
  let update = trx
    .updateTable('images')
    .set({ ...stateColumns(to, now, reason), ...lease, ...changes })
    .where('id', '=', image.id)
    .where('state', '=', from)
  if (leaseOwner !== undefined) update = update.where('leaseOwner', '=', leaseOwner)
  const { numUpdatedRows } = await update.executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) return false
  await recordEvent(trx, {
    imageId: image.id,
    at: now,
    type: options.event ?? 'state',
    state: to,
    ...(reason ? { reason } : {}),
    actor: options.actor ?? null,
    digest: changes.digest === undefined ? image.digest : changes.digest,
  })
  return true
}
