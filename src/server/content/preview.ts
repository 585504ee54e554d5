import { sql } from 'kysely'
import type { CollectReport } from '../../ports/server-data.ts'
import type { Db } from '../store/database.ts'

/**
 * What a collection at this moment would remove. It asks the contrary of collect.ts, in one statement that changes
 * nothing: what is kept, beginning with what has a name or was relied on lately.
 *
 * @param before content that a push relied on later is kept: milliseconds since 1970
 */
export async function previewCollection(db: Db, now: number, before: number): Promise<CollectReport> {
  const { rows } = await sql<CollectReport>`
    WITH RECURSIVE kept("repositoryId", digest) AS (
      SELECT "repositoryId", digest FROM manifests WHERE "touchedAt" >= ${before}
      UNION
      SELECT "repositoryId", digest FROM tags WHERE "expiresAt" IS NULL OR "expiresAt" > ${now}
      UNION
      SELECT p.id, i.digest FROM images i
        JOIN repositories p ON p."organizationId" = i."organizationId" AND p.path = i.repository
        WHERE i.digest IS NOT NULL
      UNION
      SELECT n."repositoryId", n.digest FROM kept
        JOIN (
          SELECT "repositoryId", "manifestDigest" AS holder, digest FROM manifest_references WHERE kind = 'manifest'
          UNION ALL
          SELECT "repositoryId", subject, digest FROM manifests WHERE subject IS NOT NULL
        ) n ON n."repositoryId" = kept."repositoryId" AND n.holder = kept.digest),
    needed AS (
      SELECT "repositoryId", digest FROM blob_links WHERE "touchedAt" >= ${before}
      UNION
      SELECT l."repositoryId", l.digest FROM kept
        JOIN manifest_references r ON r."repositoryId" = kept."repositoryId" AND r."manifestDigest" = kept.digest
        JOIN blob_links l ON l."repositoryId" = r."repositoryId" AND l.digest = r.digest),
    lost AS (SELECT size FROM blobs WHERE digest NOT IN (SELECT digest FROM needed))
    SELECT
      (SELECT COUNT(*) FROM uploads WHERE "expiresAt" <= ${now}) AS uploads,
      (SELECT COUNT(*) FROM manifests m WHERE NOT EXISTS (SELECT 1 FROM kept
        WHERE kept."repositoryId" = m."repositoryId" AND kept.digest = m.digest)) AS manifests,
      (SELECT COUNT(*) FROM lost) AS blobs,
      (SELECT COALESCE(SUM(size), 0) FROM lost) AS bytes
  `.execute(db)
  return rows[0]!
}
