import { setImmediate } from 'node:timers/promises'
import { isDigest } from '../../oci/digest.ts'
import type { ServerContext } from '../context.ts'
import type { Db } from '../store/database.ts'
import { blobDigests, linkedDigests, oldManifests } from './digest-pages.ts'
import { removeEmptyRepositories } from './repositories.ts'

type CollectContext = Pick<ServerContext, 'db' | 'blobs' | 'now' | 'settings'>

/** What a collection removed. */
export interface Collected {
  readonly manifests: number
  readonly links: number
  readonly blobs: number
  /** Bytes of the blobs' files. */
  readonly bytes: number
}

const NOTHING: Collected = { manifests: 0, links: 0, blobs: 0, bytes: 0 }

/**
 * Removes from one repository what nothing refers to and no push relied on for the grace time: manifests, then
 * links; and from the disk the blobs that no repository links any more. Safe beside pushes and pulls.
 */
export async function collectRepository(ctx: CollectContext, repositoryId: number): Promise<Collected> {
  const before = ctx.now() - ctx.settings.graceMs
  const manifests = await removeManifests(ctx.db, repositoryId, before)
  let total: Collected = { ...NOTHING, manifests }
  for await (const page of linkedDigests(ctx.db, repositoryId)) {
    const unlinked = await removeLinks(ctx.db, repositoryId, before, page)
    total = add(total, { ...NOTHING, links: unlinked.length, ...(await removeBlobs(ctx, unlinked)) })
  }
  return total
}

/** As collectRepository, for every repository; also drops repositories that are empty. */
export async function collectAll(ctx: CollectContext): Promise<Collected> {
  const repositories = await ctx.db.selectFrom('repositories').select('id').execute()
  let total = NOTHING
  for (const { id } of repositories) {
    total = add(total, await collectRepository(ctx, id))
    // The database answers without waiting; requests must get their turn.
    await setImmediate()
  }
  await removeEmptyRepositories(ctx.db, ctx.now() - ctx.settings.graceMs)
  for await (const page of blobDigests(ctx.db)) {
    total = add(total, { ...NOTHING, ...(await removeBlobs(ctx, await unlinkedOf(ctx.db, page))) })
  }
  return total
}

/** Removes files that a crash left between a blob's rename and its row, or between its row's end and its own. */
export async function collectOrphanFiles(ctx: Pick<ServerContext, 'db' | 'blobs'>): Promise<Collected> {
  let total = NOTHING
  for await (const digest of ctx.blobs.digests()) {
    const row = await ctx.db
      .selectFrom('blobs')
      .select('digest')
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (row) continue
    total = add(total, { ...NOTHING, ...(await removeBlobs(ctx, [digest])) })
  }
  return total
}

/**
 * Removes blobs that no repository links: first the row, then the file, so that a row never promises a file that
 * is gone. A push that stores the same blob meanwhile waits, and then brings its own file and row.
 */
export async function removeBlobs(
  ctx: Pick<ServerContext, 'db' | 'blobs'>,
  digests: readonly string[],
): Promise<Pick<Collected, 'blobs' | 'bytes'>> {
  let blobs = 0
  let bytes = 0
  for (const digest of digests) {
    if (!isDigest(digest)) continue
    const size = await ctx.blobs.size(digest)
    if (await ctx.blobs.removeBlob(digest, () => dropUnlinkedRow(ctx.db, digest))) {
      blobs++
      bytes += size ?? 0
    }
  }
  return { blobs, bytes }
}

/** @returns whether no row is left: then the file may go */
async function dropUnlinkedRow(db: Db, digest: string): Promise<boolean> {
  await db
    .deleteFrom('blobs')
    .where('digest', '=', digest)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('blob_links').select('digest').where('digest', '=', digest))),
    )
    .execute()
  const left = await db.selectFrom('blobs').select('digest').where('digest', '=', digest).executeTakeFirst()
  return left === undefined
}

/**
 * A manifest is needed by a tag, by an image, by an index that lists it, and a referrer by its subject. Removing
 * an index frees its manifests, so it goes in rounds.
 */
async function removeManifests(db: Db, repositoryId: number, before: number): Promise<number> {
  let total = 0
  for (;;) {
    let removed = 0
    for await (const page of oldManifests(db, repositoryId, before)) {
      removed += await removeUnneeded(db, repositoryId, before, page)
    }
    if (removed === 0) return total
    total += removed
  }
}

async function removeUnneeded(
  db: Db,
  repositoryId: number,
  before: number,
  digests: readonly string[],
): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('manifests as m')
    .where('m.repositoryId', '=', repositoryId)
    .where('m.digest', 'in', digests)
    .where('m.touchedAt', '<', before)
    .where(({ not, or, exists, selectFrom }) =>
      not(
        or([
          exists(
            selectFrom('tags')
              .select('tag')
              .where('tags.repositoryId', '=', repositoryId)
              .whereRef('tags.digest', '=', 'm.digest'),
          ),
          exists(
            selectFrom('images')
              .innerJoin('repositories', (join) =>
                join
                  .onRef('repositories.organizationId', '=', 'images.organizationId')
                  .onRef('repositories.path', '=', 'images.repository'),
              )
              .select('images.id')
              .where('repositories.id', '=', repositoryId)
              .whereRef('images.digest', '=', 'm.digest'),
          ),
          exists(
            selectFrom('manifest_references as r')
              .select('r.digest')
              .where('r.repositoryId', '=', repositoryId)
              .whereRef('r.digest', '=', 'm.digest'),
          ),
          exists(
            selectFrom('manifests as s')
              .select('s.digest')
              .where('s.repositoryId', '=', repositoryId)
              .whereRef('s.digest', '=', 'm.subject'),
          ),
        ]),
      ),
    )
    .executeTakeFirst()
  return Number(numDeletedRows)
}

async function removeLinks(
  db: Db,
  repositoryId: number,
  before: number,
  digests: readonly string[],
): Promise<string[]> {
  const rows = await db
    .deleteFrom('blob_links as l')
    .where('l.repositoryId', '=', repositoryId)
    .where('l.digest', 'in', digests)
    .where('l.touchedAt', '<', before)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('manifest_references as r')
            .select('r.digest')
            .where('r.repositoryId', '=', repositoryId)
            .whereRef('r.digest', '=', 'l.digest'),
        ),
      ),
    )
    .returning('digest')
    .execute()
  return rows.map(({ digest }) => digest)
}

async function unlinkedOf(db: Db, digests: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('blobs as b')
    .select('b.digest')
    .where('b.digest', 'in', digests)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('blob_links as l').select('l.digest').whereRef('l.digest', '=', 'b.digest'))),
    )
    .execute()
  return rows.map(({ digest }) => digest)
}

function add(a: Collected, b: Collected): Collected {
  return {
    manifests: a.manifests + b.manifests,
    links: a.links + b.links,
    blobs: a.blobs + b.blobs,
    bytes: a.bytes + b.bytes,
  }
}
