import { randomUUID } from 'node:crypto'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { ImageState } from '../../contract/image.ts'
import type { Db } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { WORKING_STATES } from './states.ts'

/** How long a worker may be silent before another takes its image over. */
export const LEASE_MS = 60_000
/** A worker renews thrice per lease, so that one lost renewal costs nothing. */
export const RENEWAL_MS = LEASE_MS / 3

/** A kind of work with its own workers. */
export interface Lane {
  /** The states that its workers take an image through; in the next one it is given on. */
  readonly states: readonly ImageState[]
  /** Which of the images in those states are its own. */
  readonly claimable: RawBuilder<SqlBool>
  /** How many of its workers one organization may have. */
  readonly perOrganization: number
}

/** Fewer than there are workers: the slow sources of one organization do not stop the others. */
const FETCHES_PER_ORGANIZATION = 2

const IS_FETCHED = sql<SqlBool>`json_extract("sourceJson", '$.kind') = 'registry'`

/** Copying from another registry: that takes minutes. */
export const FETCHING: Lane = {
  states: ['pending', 'pulling_image'],
  claimable: sql<SqlBool>`(state = 'pulling_image' OR ${IS_FETCHED})`,
  perOrganization: FETCHES_PER_ORGANIZATION,
}

/** Looking at what is here: that takes milliseconds. */
export const CHECKING: Lane = {
  states: ['pending', 'pending_validation', 'validating'],
  claimable: sql<SqlBool>`(state <> 'pending' OR NOT ${IS_FETCHED})`,
  // Checks are too short for anybody to wait.
  perOrganization: Number.MAX_SAFE_INTEGER,
}

/** An image in the hands of one worker: `owner` is a token of this one claim. */
export interface Claim {
  readonly image: ImageTable
  readonly owner: string
}

/**
 * Takes the image that has waited longest in an organization that has the fewest workers; one statement, so two
 * workers never take the same.
 */
export async function claimNext(db: Db, lane: Lane, now: number): Promise<Claim | undefined> {
  const owner = randomUUID()
  const workers = sql<number>`COALESCE(running.workers, 0)`
  const image = await db
    .updateTable('images')
    .set({ leaseOwner: owner, leaseUntil: now + LEASE_MS })
    .where('id', '=', ({ selectFrom }) =>
      selectFrom('images')
        .leftJoin(
          selectFrom('images')
            .select(['organizationId as busy', sql<number>`COUNT(*)`.as('workers')])
            .where('state', 'in', lane.states)
            .where('leaseUntil', '>', now)
            .where(lane.claimable)
            .groupBy('organizationId')
            .as('running'),
          'running.busy',
          'images.organizationId',
        )
        .select('id')
        .where(workers, '<', lane.perOrganization)
        .where('state', 'in', lane.states)
        .where('nextAttemptAt', '<=', now)
        .where(({ eb, or }) => or([eb('leaseUntil', 'is', null), eb('leaseUntil', '<=', now)]))
        .where(lane.claimable)
        .orderBy(workers)
        .orderBy('nextAttemptAt')
        .orderBy('id')
        .limit(1),
    )
    .returningAll()
    .executeTakeFirst()
  return image && { image, owner }
}

/** @returns false when the lease is lost: the image was moved, deleted, or taken over */
export async function renewLease(db: Db, { image, owner }: Claim, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('images')
    .set({ leaseUntil: now + LEASE_MS })
    .where('id', '=', image.id)
    .where('leaseOwner', '=', owner)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** Gives the image back as it is; any worker may take it at once. */
export async function releaseLease(db: Db, { image, owner }: Claim): Promise<void> {
  await db
    .updateTable('images')
    .set({ leaseOwner: null, leaseUntil: null })
    .where('id', '=', image.id)
    .where('leaseOwner', '=', owner)
    .execute()
}

/** When the next wait or lease ends after `now`: then an image can be taken that cannot be taken yet. */
export async function nextDue(db: Db, now: number): Promise<number | undefined> {
  const free = sql<number>`MAX("nextAttemptAt", COALESCE("leaseUntil", 0))`
  const { due } = await db
    .selectFrom('images')
    .select(({ fn }) => fn.min<number | null>(free).as('due'))
    .where('state', 'in', WORKING_STATES)
    .where(free, '>', now)
    .executeTakeFirstOrThrow()
  return due ?? undefined
}

/**
 * Takes over what an earlier process of this server left behind. The caller holds the lock of the data folder, so
 * every lease is a dead one. The time that the server was down does not count; a death in the middle of the work
 * counts as an attempt, so that an image which kills the server cannot do so for ever.
 */
export async function takeOverAll(db: Db, now: number): Promise<void> {
  await db
    .updateTable('images')
    .set({
      attempt: sql<number>`attempt + ("leaseOwner" IS NOT NULL)`,
      stateSince: now,
      leaseOwner: null,
      leaseUntil: null,
    })
    .where('state', 'in', WORKING_STATES)
    .execute()
}
