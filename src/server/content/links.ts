import type { Db, Trx } from '../store/database.ts'
import type { StoredBlob } from './upload-file.ts'

/** A push relies on content again and again; its time is written at most this many times per grace time. */
const TOUCHES_PER_GRACE = 24

/** The time before which a touch is too old to stand for one that happens now. */
export function staleTouch(now: number, graceMs: number): number {
  return now - graceMs / TOUCHES_PER_GRACE
}

/** The size of a blob that is visible in a repository, and when a push last relied on it. */
export function findBlob(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
): Promise<{ size: number; touchedAt: number } | undefined> {
  return db
    .selectFrom('blob_links')
    .innerJoin('blobs', 'blobs.digest', 'blob_links.digest')
    .select(['blobs.size', 'blob_links.touchedAt'])
    .where('blob_links.repositoryId', '=', repositoryId)
    .where('blob_links.digest', '=', digest)
    .executeTakeFirst()
}

/** Makes a stored blob visible in a repository. Call it in `keep` of BlobStore.writeBlob or Upload.finish. */
export async function linkBlob(
  trx: Trx,
  link: StoredBlob & { readonly repositoryId: number; readonly now: number },
): Promise<void> {
  const { repositoryId, digest, size, now } = link
  await trx
    .insertInto('blobs')
    .values({ digest, size, createdAt: now })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute()
  await upsertLink(trx, repositoryId, digest, now)
}

/**
 * Makes a blob of the server visible in another repository. The caller has checked that whoever asks may read it.
 *
 * @returns false when the server does not hold the blob (any more)
 */
export async function mountBlob(
  trx: Trx,
  link: { readonly repositoryId: number; readonly digest: string; readonly now: number },
): Promise<boolean> {
  const { digest } = link
  const blob = await trx.selectFrom('blobs').select('digest').where('digest', '=', digest).executeTakeFirst()
  if (!blob) return false
  await upsertLink(trx, link.repositoryId, digest, link.now)
  return true
}

/** A push relies on a blob that is there: it stays for the grace time. */
export async function touchBlob(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
  now: number,
): Promise<void> {
  await db
    .updateTable('blob_links')
    .set({ touchedAt: now })
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .execute()
}

/** Hides a blob from a repository. @returns false when it was not visible there */
export async function unlinkBlob(trx: Trx, repositoryId: number, digest: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('blob_links')
    .where('repositoryId', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

function upsertLink(trx: Trx, repositoryId: number, digest: string, now: number) {
  return trx
    .insertInto('blob_links')
    .values({ repositoryId, digest, touchedAt: now })
    .onConflict((conflict) => conflict.columns(['repositoryId', 'digest']).doUpdateSet({ touchedAt: now }))
    .execute()
}
