import { setTimeout } from 'node:timers/promises'
import type { CollectReport } from '../../ports/server-data.ts'
import type { ServerContext } from '../context.ts'
import { totalsOf } from '../store/totals.ts'
import { collectAll, collectOrphanFiles } from './collect.ts'
import { KeyedLock } from './keyed-lock.ts'
import { removeExpiredTags } from './tags.ts'

type JanitorContext = Pick<ServerContext, 'db' | 'blobs' | 'reserve' | 'now' | 'settings' | 'log'>

/** Nothing waits for the janitor; a round that finds nothing costs some milliseconds. */
const ROUND_EVERY_MS = 10 * 60 * 1000
/** The start is for clients. */
const FIRST_ROUND_AFTER_MS = 60 * 1000

/** Orphan files come from crashes only, and looking for them reads every folder. */
const ORPHANS_EVERY_MS = 24 * 60 * 60 * 1000

export interface Janitor {
  /** A round at once, orphans too; after the one under way. */
  collectNow(): Promise<CollectReport>
  /** Resolves when the round under way has ended. */
  stop(): Promise<void>
}

/**
 * Removes, now and then, what expired and what nothing needs, and does what other parts have to clean up. A round
 * that fails is logged and tried again.
 */
export function startJanitor(
  ctx: JanitorContext,
  alsoCleanUp: () => Promise<void> = async () => {},
): Janitor {
  const stopping = new AbortController()
  const rounds = new KeyedLock()
  const round = (orphansToo: boolean) => rounds.run('round', () => cleanUp(ctx, { orphansToo }))
  const done = run(ctx, round, alsoCleanUp, stopping.signal)
  return {
    collectNow: () => round(true),
    async stop() {
      stopping.abort()
      await done
    },
  }
}

async function run(
  ctx: JanitorContext,
  round: (orphansToo: boolean) => Promise<unknown>,
  alsoCleanUp: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let orphansAt = Number.NEGATIVE_INFINITY
  let waitMs = FIRST_ROUND_AFTER_MS
  await ctx.reserve.refill().catch((error) => ctx.log.error({ err: error }, 'no space is reserved'))
  while (await waited(waitMs, signal)) {
    waitMs = ROUND_EVERY_MS
    const orphansToo = ctx.now() - orphansAt >= ORPHANS_EVERY_MS
    try {
      await round(orphansToo)
      await alsoCleanUp()
      if (orphansToo) orphansAt = ctx.now()
    } catch (error) {
      ctx.log.error({ err: error }, 'clean-up failed')
    }
  }
}

/** @returns false when the wait was cut short */
function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return setTimeout(ms, true, { signal, ref: false }).catch(() => false)
}

/** One round, on a full disk too. */
export async function cleanUp(
  ctx: JanitorContext,
  options: { readonly orphansToo: boolean },
): Promise<CollectReport> {
  const report = await ctx.reserve.use(() => sweep(ctx, options))
  await ctx.reserve.refill()
  const { collected } = totalsOf(ctx)
  collected.blobs += report.blobs
  collected.bytes += report.bytes
  return report
}

async function sweep(
  ctx: JanitorContext,
  { orphansToo }: { readonly orphansToo: boolean },
): Promise<CollectReport> {
  await removeExpiredTags(ctx.db, ctx.now())
  const uploads = await removeExpiredUploads(ctx)
  const collected = await collectAll(ctx)
  const orphans = orphansToo ? await collectOrphanFiles(ctx) : { blobs: 0, bytes: 0 }
  const { manifests, links } = collected
  const blobs = collected.blobs + orphans.blobs
  const bytes = collected.bytes + orphans.bytes
  if (uploads + manifests + links + blobs > 0) {
    ctx.log.info({ uploads, manifests, links, blobs, bytes, orphanFiles: orphans.blobs }, 'cleaned up')
  }
  return { uploads, manifests, blobs, bytes }
}

async function removeExpiredUploads({ db, blobs, now, settings }: JanitorContext): Promise<number> {
  const expired = await db.selectFrom('uploads').select('id').where('expiresAt', '<=', now()).execute()
  for (const { id } of expired) {
    await db.deleteFrom('uploads').where('id', '=', id).execute()
    await blobs.uploads.remove(id)
  }
  return expired.length + (await removeOrphanUploads({ db, blobs, now, settings }))
}

/** Files of uploads whose row is gone, and of transfers that a crash cut off. */
async function removeOrphanUploads(
  ctx: Pick<JanitorContext, 'db' | 'blobs' | 'now' | 'settings'>,
): Promise<number> {
  const known = new Set((await ctx.db.selectFrom('uploads').select('id').execute()).map(({ id }) => id))
  const before = ctx.now() - ctx.settings.graceMs
  const orphans = (await ctx.blobs.uploads.list()).filter(
    ({ id, modifiedAt }) => !known.has(id) && modifiedAt < before,
  )
  for (const { id } of orphans) await ctx.blobs.uploads.remove(id)
  return orphans.length
}
