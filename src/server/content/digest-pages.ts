import { setImmediate } from 'node:timers/promises'
import type { Db } from '../store/database.ts'

/** Rows that are looked at in one go: some milliseconds, in which no request gets an answer. */
const PAGE = 500

/** The digests of a repository's manifests that no push relied on since `before`. */
export function oldManifests(db: Db, repositoryId: number, before: number): AsyncGenerator<string[]> {
  return digestPages((after) =>
    db
      .selectFrom('manifests')
      .select('digest')
      .where('repositoryId', '=', repositoryId)
      .where('digest', '>', after)
      .where('touchedAt', '<', before)
      .orderBy('digest')
      .limit(PAGE)
      .execute(),
  )
}

/** The digests of all blobs that are visible in a repository. */
export function linkedDigests(db: Db, repositoryId: number): AsyncGenerator<string[]> {
  return digestPages((after) =>
    db
      .selectFrom('blob_links')
      .select('digest')
      .where('repositoryId', '=', repositoryId)
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(PAGE)
      .execute(),
  )
}

/** The digests of all blobs that the database knows. */
export function blobDigests(db: Db): AsyncGenerator<string[]> {
  return digestPages((after) =>
    db
      .selectFrom('blobs')
      .select('digest')
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(PAGE)
      .execute(),
  )
}

/** @param read the next page, by the last digest of the one before */
async function* digestPages(
  read: (after: string) => Promise<readonly { readonly digest: string }[]>,
): AsyncGenerator<string[]> {
  for (let after = ''; ; ) {
    const rows = await read(after)
    if (rows.length > 0) yield rows.map(({ digest }) => digest)
    if (rows.length < PAGE) return
    after = rows.at(-1)!.digest
    // The database answers without waiting; requests must get their turn.
    await setImmediate()
  }
}
