import { STAGING_TAG_PREFIX } from '../../oci/image-name.ts'
import type { Db, Trx } from '../store/database.ts'

/** A staging tag carries an upload that gets its name within minutes; a client that died leaves it behind. */
export const STAGING_TAG_MS = 24 * 60 * 60 * 1000

/** Points a tag at a manifest that is in the repository. A staging tag expires. */
export async function tagManifest(
  trx: Trx,
  pointer: {
    readonly repositoryId: number
    readonly tag: string
    readonly digest: string
    readonly now: number
  },
): Promise<void> {
  const { repositoryId, tag, digest, now } = pointer
  const state = { digest, updatedAt: now, expiresAt: isStagingTag(tag) ? now + STAGING_TAG_MS : null }
  await trx
    .insertInto('tags')
    .values({ repositoryId, tag, ...state })
    .onConflict((conflict) => conflict.columns(['repositoryId', 'tag']).doUpdateSet(state))
    .execute()
}

/** @returns false when there was no such tag */
export async function deleteTag(trx: Trx, repositoryId: number, tag: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('tags')
    .where('repositoryId', '=', repositoryId)
    .where('tag', '=', tag)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

export async function tagsOfManifest(db: Db | Trx, repositoryId: number, digest: string): Promise<string[]> {
  const rows = await db
    .selectFrom('tags')
    .select('tag')
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .execute()
  return rows.map(({ tag }) => tag)
}

/** Tags after `last` in ASCII order, staging tags left out. */
export async function listTags(
  db: Db | Trx,
  repositoryId: number,
  page: { readonly last?: string; readonly limit?: number },
): Promise<string[]> {
  let query = db
    .selectFrom('tags')
    .select('tag')
    .where('repositoryId', '=', repositoryId)
    .where('expiresAt', 'is', null)
    .orderBy('tag')
  if (page.last !== undefined) query = query.where('tag', '>', page.last)
  if (page.limit !== undefined) query = query.limit(page.limit)
  return (await query.execute()).map(({ tag }) => tag)
}

export async function removeExpiredTags(db: Db | Trx, now: number): Promise<void> {
  await db.deleteFrom('tags').where('expiresAt', '<=', now).execute()
}

export function isStagingTag(tag: string): boolean {
  return tag.startsWith(STAGING_TAG_PREFIX)
}
