import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db, Trx } from '../store/database.ts'
import { findRepository } from './repositories.ts'
import { deleteTag } from './tags.ts'

/** Enough to see why nothing is freed; a digest can have thousands of names. */
export const MAX_HELD_BY = 100

/** One name in one organization. `repository` is without the organization's slug. */
export interface NamedContent {
  readonly organizationId: string
  readonly repository: string
  readonly tag: string
  /** What the name points at; null when it never had content. */
  readonly digest: string | null
}

export interface Freed {
  /** Bytes of config and layers that no other name in the organization needs. */
  readonly freedBytes: number
  /** Other names in the organization (`repository:tag`, sorted) whose content is or contains this manifest: the first 100. */
  readonly heldBy: readonly string[]
}

/**
 * What removing a name frees. Other organizations do not count: their content must not show in the answer. Ask
 * before or after the removal, in any state of the name itself, and not in a transaction: it may take a while, in which
 * others get their turn.
 */
export async function freedBy(db: Db, content: NamedContent): Promise<Freed> {
  const { organizationId, repository, digest } = content
  if (digest === null) return { freedBytes: 0, heldBy: [] }
  const repositoryId = await findRepository(db, organizationId, repository)
  if (repositoryId === undefined) return { freedBytes: 0, heldBy: [] }
  const name: Name = { ...content, repositoryId, digest }
  return { freedBytes: await sumFreed(db, name), heldBy: await otherNames(db, name) }
}

/**
 * Takes a name's tag away, in the transaction that ends its image. The manifest stays until the grace time has
 * passed, for a push may rely on it at this moment. After the commit call `collectRepository` with the id that
 * comes back; undefined: there was no such repository.
 */
export async function removeImageContent(trx: Trx, content: NamedContent): Promise<number | undefined> {
  const { organizationId, repository, tag } = content
  const repositoryId = await findRepository(trx, organizationId, repository)
  if (repositoryId !== undefined) await deleteTag(trx, repositoryId, tag)
  return repositoryId
}

interface Name extends NamedContent {
  readonly repositoryId: number
  readonly digest: string
}

/** Manifests of one blob that are looked at in one go: some milliseconds, in which no request gets an answer. */
const PAGE = 200
/** Nearly every blob is in fewer: one statement decides about all of those. */
const AT_FIRST = 50

/**
 * Bytes of the config and layers below the name's digest that no other name has. A base layer can be in thousands
 * of manifests: they are looked at one by one, and the first that another name has ends the search.
 */
async function sumFreed(db: Db, name: Name): Promise<number> {
  const { organizationId, repositoryId, digest } = name
  const some = (count: number) => sql`
    SELECT r."repositoryId", p.path, r."manifestDigest" FROM blob_links l
      JOIN repositories p ON p.id = l."repositoryId" AND p."organizationId" = ${organizationId}
      JOIN manifest_references r ON r."repositoryId" = l."repositoryId" AND r.digest = l.digest
      WHERE l.digest = b.digest LIMIT ${count}`
  const { rows: blobs } = await sql<{ digest: string; size: number; isNeeded: number; isUnclear: number }>`
    WITH RECURSIVE below(digest) AS (
      VALUES (${digest})
      UNION
      SELECT r.digest FROM manifest_references r
        JOIN below ON r."repositoryId" = ${repositoryId} AND r."manifestDigest" = below.digest)
    SELECT b.digest, b.size,
      EXISTS (SELECT 1 FROM (${some(AT_FIRST)}) c WHERE ${isNamed(name)}) AS "isNeeded",
      (SELECT COUNT(*) FROM (${some(AT_FIRST + 1)})) > ${AT_FIRST} AS "isUnclear"
      FROM below JOIN blobs b ON b.digest = below.digest
  `.execute(db)
  let bytes = 0
  for (const { digest, size, isNeeded, isUnclear } of blobs) {
    if (isNeeded || (isUnclear && (await isNeededElsewhere(db, name, digest)))) continue
    bytes += size
  }
  return bytes
}

/** Whether another name is, or is above, the manifest `c`. */
function isNamed({ organizationId, repositoryId, tag }: Name) {
  return sql<number>`EXISTS (
    WITH RECURSIVE above(digest) AS (
      SELECT c."manifestDigest"
      UNION
      SELECT x."manifestDigest" FROM above
        JOIN manifest_references x ON x."repositoryId" = c."repositoryId" AND x.digest = above.digest)
    SELECT 1 FROM above
      WHERE EXISTS (SELECT 1 FROM tags t
          WHERE t."repositoryId" = c."repositoryId" AND t.digest = above.digest AND t."expiresAt" IS NULL
            AND (c."repositoryId" <> ${repositoryId} OR t.tag <> ${tag}))
        OR EXISTS (SELECT 1 FROM images i
          WHERE i."organizationId" = ${organizationId} AND i.repository = c.path AND i.digest = above.digest
            AND (c."repositoryId" <> ${repositoryId} OR i.tag <> ${tag})))`
}

/** Looks at all manifests with a blob, a page at a time. */
async function isNeededElsewhere(db: Db, name: Name, blob: string): Promise<boolean> {
  const repositories = await db
    .selectFrom('blob_links as l')
    .innerJoin('repositories as p', 'p.id', 'l.repositoryId')
    .select('p.id')
    .where('l.digest', '=', blob)
    .where('p.organizationId', '=', name.organizationId)
    .execute()
  for (const { id } of repositories) {
    let after = 0
    for (;;) {
      const { rows } = await sql<{ row: number; isNamed: number }>`
        SELECT c."row", ${isNamed(name)} AS "isNamed" FROM (
          SELECT r.rowid AS "row", r."repositoryId", p.path, r."manifestDigest" FROM manifest_references r
            JOIN repositories p ON p.id = r."repositoryId"
            WHERE r."repositoryId" = ${id} AND r.digest = ${blob} AND r.rowid > ${after}
            ORDER BY r.rowid LIMIT ${PAGE}) c
      `.execute(db)
      if (rows.some((each) => each.isNamed)) return true
      if (rows.length < PAGE) break
      after = rows.at(-1)!.row
      // The database answers without waiting; requests must get their turn.
      await setImmediate()
    }
  }
  return false
}

/** Names other than this one whose content is or contains its digest, staging tags left out. */
async function otherNames(db: Db, name: Name): Promise<string[]> {
  const { organizationId, repositoryId, tag, digest } = name
  const { rows } = await sql<{ name: string }>`
    WITH RECURSIVE above("repositoryId", path, digest) AS (
      SELECT id, path, ${digest} FROM repositories WHERE "organizationId" = ${organizationId}
      UNION
      SELECT above."repositoryId", above.path, r."manifestDigest" FROM above
        JOIN manifest_references r ON r."repositoryId" = above."repositoryId" AND r.digest = above.digest)
    SELECT above.path || ':' || t.tag AS name FROM above
      JOIN tags t ON t."repositoryId" = above."repositoryId" AND t.digest = above.digest
      WHERE t."expiresAt" IS NULL AND (above."repositoryId" <> ${repositoryId} OR t.tag <> ${tag})
    UNION
    SELECT i.repository || ':' || i.tag FROM above
      JOIN images i ON i."organizationId" = ${organizationId} AND i.repository = above.path
        AND i.digest = above.digest
      WHERE above."repositoryId" <> ${repositoryId} OR i.tag <> ${tag}
    ORDER BY name LIMIT ${MAX_HELD_BY}
  `.execute(db)
  return rows.map((row) => row.name)
}
