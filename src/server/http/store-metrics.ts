import { statfs } from 'node:fs/promises'
import { sql } from 'kysely'
import { IMAGE_STATES } from '../../contract/image.ts'
import type { ServerContext } from '../context.ts'
import { WORKING_STATES } from '../images/states.ts'
import { totalsOf } from '../store/totals.ts'
import { type Family, family, type Sample } from './metric-family.ts'

/** What the server has, what waits in it, and what it did. */
export async function storeFamilies(ctx: ServerContext): Promise<Family[]> {
  const { collected, fetches, fetchedBytes } = totalsOf(ctx)
  const fetched = [...fetches].map(([outcome, value]) => ({ labels: { outcome }, value }))
  const queue = await queueOf(ctx)
  const disk = await diskOf(ctx)
  return [
    family('imgctl_uploads_open', 'gauge', 'Upload sessions.', await openUploads(ctx)),
    family('imgctl_images', 'gauge', 'Images by state.', await imagesByState(ctx)),
    family('imgctl_blob_bytes', 'gauge', 'Bytes of all blobs.', await blobBytes(ctx)),
    family('imgctl_queue_images', 'gauge', 'Images that wait for a worker and are due.', queue.waiting),
    family('imgctl_queue_oldest_seconds', 'gauge', 'How long the oldest of them waits.', queue.oldestSeconds),
    family(
      'imgctl_upstream_fetches_total',
      'counter',
      'Fetches from other registries, by how they ended.',
      fetched,
    ),
    family('imgctl_upstream_bytes_total', 'counter', 'Bytes of blobs fetched from them.', fetchedBytes),
    family('imgctl_collected_blobs_total', 'counter', 'Blobs that clean-up removed.', collected.blobs),
    family('imgctl_collected_bytes_total', 'counter', 'Bytes that clean-up freed.', collected.bytes),
    family(
      'imgctl_disk_free_bytes',
      'gauge',
      "Free space for this user on the data folder's disk.",
      disk.free,
    ),
    family('imgctl_disk_size_bytes', 'gauge', 'Size of that disk.', disk.size),
  ]
}

async function imagesByState({ db }: ServerContext): Promise<Sample[]> {
  const rows = await db
    .selectFrom('images')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute()
  const counts = new Map(rows.map(({ state, count }) => [state, count]))
  return IMAGE_STATES.map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 }))
}

/** What waits for a time of its own (a back-off, a rate limit) is not due, and no sign of trouble. */
async function queueOf({ db, now }: ServerContext): Promise<{ waiting: number; oldestSeconds: number }> {
  const { waiting, since } = await db
    .selectFrom('images')
    .select(({ fn }) => [
      fn.countAll<number>().as('waiting'),
      sql<number | null>`MIN(MAX("nextAttemptAt", "stateSince"))`.as('since'),
    ])
    .where('state', 'in', WORKING_STATES)
    .where('nextAttemptAt', '<=', now())
    .where(({ eb, or }) => or([eb('leaseUntil', 'is', null), eb('leaseUntil', '<=', now())]))
    .executeTakeFirstOrThrow()
  return { waiting, oldestSeconds: since === null ? 0 : Math.max(0, now() - since) / 1000 }
}

async function openUploads({ db }: ServerContext): Promise<Sample[]> {
  return db
    .selectFrom('uploads')
    .select(({ fn }) => fn.countAll<number>().as('value'))
    .execute()
}

async function blobBytes({ db }: ServerContext): Promise<Sample[]> {
  const sums = await db
    .selectFrom('blobs')
    .select(({ fn }) => fn.sum<number | null>('size').as('sum'))
    .execute()
  return sums.map(({ sum }) => ({ value: sum ?? 0 }))
}

async function diskOf({ settings }: ServerContext): Promise<{ free: number; size: number }> {
  const { bavail, blocks, bsize } = await statfs(settings.dataDir)
  return { free: bavail * bsize, size: blocks * bsize }
}
