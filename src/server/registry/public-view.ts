import { sql } from 'kysely'
import type { Db } from '../store/database.ts'
import type { RepositoryName } from './target.ts'

/** A repository that holds a public image, as anyone may see it. */
export interface PublicRepository {
  readonly id: number
  readonly organizationId: string
}

export async function findPublicRepository(
  db: Db,
  { slug, path }: RepositoryName,
): Promise<PublicRepository | undefined> {
  return db
    .selectFrom('repositories')
    .innerJoin('organizations', 'organizations.id', 'repositories.organizationId')
    .select(['repositories.id', 'repositories.organizationId'])
    .where('organizations.slug', '=', slug)
    .where('repositories.path', '=', path)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('images')
          .select('images.id')
          .whereRef('images.organizationId', '=', 'repositories.organizationId')
          .whereRef('images.repository', '=', 'repositories.path')
          .where('images.visibility', '=', 'public'),
      ),
    )
    .executeTakeFirst()
}

/** Tags of public images that still point at what the image is. */
export async function publicTags(db: Db, { id }: PublicRepository): Promise<Set<string>> {
  const rows = await db
    .selectFrom('tags')
    .innerJoin('repositories', 'repositories.id', 'tags.repositoryId')
    .innerJoin('images', (join) =>
      join
        .onRef('images.organizationId', '=', 'repositories.organizationId')
        .onRef('images.repository', '=', 'repositories.path')
        .onRef('images.tag', '=', 'tags.tag')
        .onRef('images.digest', '=', 'tags.digest'),
    )
    .select('tags.tag')
    .where('tags.repositoryId', '=', id)
    .where('images.visibility', '=', 'public')
    .execute()
  return new Set(rows.map(({ tag }) => tag))
}

/** Whether a manifest or blob is, or is part of, a public image. What only refers to one (a signature) is not. */
export async function isPublic(db: Db, { id }: PublicRepository, digest: string): Promise<boolean> {
  const { rows } = await sql<{ found: number }>`
    WITH RECURSIVE visible(digest) AS (
      SELECT i.digest FROM images i
        JOIN repositories p ON p."organizationId" = i."organizationId" AND p.path = i.repository
        WHERE p.id = ${id} AND i.visibility = 'public' AND i.digest IS NOT NULL
      UNION
      SELECT r.digest FROM manifest_references r
        JOIN visible ON r."repositoryId" = ${id} AND r."manifestDigest" = visible.digest)
    SELECT EXISTS (SELECT 1 FROM visible WHERE digest = ${digest}) AS found
  `.execute(db)
  return rows[0]?.found === 1
}
