import { sql } from 'kysely'
import type { Db, Trx } from '../store/database.ts'
import { deleteManifest } from './manifests.ts'
import { findRepository } from './repositories.ts'
import { deleteTag, isStagingTag } from './tags.ts'

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
  /** Other names in the organization (`repository:tag`, sorted) whose content is or contains this manifest. */
  readonly heldBy: readonly string[]
}

/**
 * What removing a name frees. Other organizations do not count: their content must not show in the answer. Ask
 * before or after the removal, in any state of the name itself.
 */
export async function freedBy(db: Db | Trx, content: NamedContent): Promise<Freed> {
  const { organizationId, repository, digest } = content
  if (digest === null) return { freedBytes: 0, heldBy: [] }
  const repositoryId = await findRepository(db, organizationId, repository)
  if (repositoryId === undefined) return { freedBytes: 0, heldBy: [] }
  const blobs = await blobsOf(db, repositoryId, digest)
  let freedBytes = 0
  for (const { digest: blob, size } of blobs) {
    if ((await otherNames(db, content, blob)).length === 0) freedBytes += size
  }
  return { freedBytes, heldBy: await otherNames(db, content, digest) }
}

/**
 * Takes a name's content away, in the transaction that ends its image: removes the tag, and the manifest unless
 * another name, an index or an image needs it. After the commit call `collectRepository` with the id that comes
 * back; undefined: there was no such repository.
 */
export async function removeImageContent(trx: Trx, content: NamedContent): Promise<number | undefined> {
  const { organizationId, repository, tag, digest } = content
  const repositoryId = await findRepository(trx, organizationId, repository)
  if (repositoryId === undefined) return undefined
  await deleteTag(trx, repositoryId, tag)
  if (digest === null) return repositoryId
  const held = await sql<{ held: number }>`
    SELECT EXISTS (SELECT 1 FROM tags WHERE "repositoryId" = ${repositoryId} AND digest = ${digest})
        OR EXISTS (SELECT 1 FROM manifest_references
             WHERE "repositoryId" = ${repositoryId} AND digest = ${digest})
        OR EXISTS (SELECT 1 FROM images WHERE "organizationId" = ${organizationId}
             AND repository = ${repository} AND digest = ${digest} AND tag <> ${tag}) AS held
  `.execute(trx)
  if (!held.rows[0]?.held) await deleteManifest(trx, repositoryId, digest)
  return repositoryId
}

/** Config and layers below a manifest or index. */
async function blobsOf(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
): Promise<{ digest: string; size: number }[]> {
  const { rows } = await sql<{ digest: string; size: number }>`
    WITH RECURSIVE below(digest) AS (
      VALUES (${digest})
      UNION
      SELECT r.digest FROM manifest_references r
        JOIN below ON r."repositoryId" = ${repositoryId} AND r."manifestDigest" = below.digest)
    SELECT b.digest, b.size FROM below JOIN blobs b ON b.digest = below.digest
  `.execute(db)
  return rows
}

/** Names other than `content` whose content is or contains `digest` (a blob or a manifest), staging tags left out. */
async function otherNames(db: Db | Trx, content: NamedContent, digest: string): Promise<string[]> {
  const { rows } = await sql<{ repository: string; tag: string }>`
    WITH RECURSIVE above("repositoryId", digest) AS (
      SELECT id, ${digest} FROM repositories WHERE "organizationId" = ${content.organizationId}
      UNION
      SELECT r."repositoryId", r."manifestDigest" FROM manifest_references r
        JOIN above ON r."repositoryId" = above."repositoryId" AND r.digest = above.digest)
    SELECT p.path AS repository, t.tag FROM above
      JOIN tags t ON t."repositoryId" = above."repositoryId" AND t.digest = above.digest
      JOIN repositories p ON p.id = above."repositoryId"
    UNION
    SELECT i.repository, i.tag FROM above
      JOIN repositories p ON p.id = above."repositoryId"
      JOIN images i ON i."organizationId" = p."organizationId" AND i.repository = p.path
        AND i.digest = above.digest
  `.execute(db)
  return rows
    .filter(({ tag }) => !isStagingTag(tag))
    .filter(({ repository, tag }) => repository !== content.repository || tag !== content.tag)
    .map(({ repository, tag }) => `${repository}:${tag}`)
    .sort()
}
