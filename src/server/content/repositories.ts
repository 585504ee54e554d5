import type { Db, Trx } from '../store/database.ts'

/** The id of a repository; `path` is without the organization's slug. */
export async function findRepository(
  db: Db | Trx,
  organizationId: string,
  path: string,
): Promise<number | undefined> {
  const row = await db
    .selectFrom('repositories')
    .select('id')
    .where('organizationId', '=', organizationId)
    .where('path', '=', path)
    .executeTakeFirst()
  return row?.id
}

/** The id of a repository, which is made when it is not there. */
export async function ensureRepository(
  trx: Trx,
  repository: { readonly organizationId: string; readonly path: string; readonly now: number },
): Promise<number> {
  const { organizationId, path, now } = repository
  const known = await findRepository(trx, organizationId, path)
  if (known !== undefined) return known
  const { id } = await trx
    .insertInto('repositories')
    .values({ organizationId, path, createdAt: now })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Removes repositories that hold nothing, are older than `before`, and that no image is being made in. */
export async function removeEmptyRepositories(db: Db | Trx, before: number): Promise<void> {
  await db
    .deleteFrom('repositories')
    .where('createdAt', '<', before)
    .where(({ not, exists, selectFrom, and }) =>
      and([
        ...(['manifests', 'tags', 'blob_links', 'uploads'] as const).map((table) =>
          not(
            exists(
              selectFrom(table)
                .select(`${table}.repositoryId`)
                .whereRef(`${table}.repositoryId`, '=', 'repositories.id'),
            ),
          ),
        ),
        not(
          exists(
            selectFrom('images')
              .select('images.id')
              .whereRef('images.organizationId', '=', 'repositories.organizationId')
              .whereRef('images.repository', '=', 'repositories.path'),
          ),
        ),
      ]),
    )
    .execute()
}
