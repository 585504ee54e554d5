import { PERMISSIONS, type Permission } from '../../contract/identity.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'
import type { Db, Trx } from '../store/database.ts'
import { parsePermissions } from './principal.ts'

export interface Membership {
  /** The organization's slug. */
  readonly organization: string
  readonly permissions: readonly Permission[]
}

/** The oldest organization first: the one that is meant when none is named. */
export async function membershipsOf(
  { db }: Pick<ServerContext, 'db'>,
  userId: string,
): Promise<Membership[]> {
  const rows = await db
    .selectFrom('memberships')
    .innerJoin('organizations', 'organizations.id', 'memberships.organizationId')
    .select(['organizations.slug', 'memberships.permissionsJson'])
    .where('memberships.userId', '=', userId)
    .orderBy('organizations.createdAt')
    .orderBy('organizations.slug')
    .execute()
  return rows.map(({ slug, permissionsJson }) => ({
    organization: slug,
    permissions: parsePermissions(permissionsJson),
  }))
}

/**
 * Makes the user a member with these permissions and no others; their API keys there can do no more from now on.
 *
 * @throws ImgctlError NOT_FOUND when there is no such organization
 */
export async function setMembership(
  db: Db | Trx,
  userId: string,
  slug: string,
  permissions: readonly Permission[],
): Promise<void> {
  const organizationId = await idOfOrganization(db, slug)
  // In the order of the list, and each once.
  const permissionsJson = JSON.stringify(PERMISSIONS.filter((each) => permissions.includes(each)))
  await db
    .insertInto('memberships')
    .values({ organizationId, userId, permissionsJson })
    .onConflict((conflict) => conflict.columns(['organizationId', 'userId']).doUpdateSet({ permissionsJson }))
    .execute()
}

/**
 * The user leaves the organization, and their API keys there go with them.
 *
 * @throws ImgctlError NOT_FOUND when there is no such organization, or the user was not in it
 */
export async function removeMembership(db: Db, userId: string, slug: string): Promise<void> {
  const organizationId = await idOfOrganization(db, slug)
  await db.transaction().execute(async (trx) => {
    await trx
      .deleteFrom('api_keys')
      .where('organizationId', '=', organizationId)
      .where('userId', '=', userId)
      .execute()
    const { numDeletedRows } = await trx
      .deleteFrom('memberships')
      .where('organizationId', '=', organizationId)
      .where('userId', '=', userId)
      .executeTakeFirst()
    if (numDeletedRows > 0n) return
    throw new ImgctlError('NOT_FOUND', `the user is not in the organization ${slug}`)
  })
}

/** @throws ImgctlError NOT_FOUND */
async function idOfOrganization(db: Db | Trx, slug: string): Promise<string> {
  const row = await db.selectFrom('organizations').select('id').where('slug', '=', slug).executeTakeFirst()
  if (row) return row.id
  throw new ImgctlError('NOT_FOUND', `there is no organization ${JSON.stringify(slug)}`, {
    hint: 'imgctl serve organization list shows them',
  })
}
