import type { Selectable } from 'kysely'
import type { Me, Organization } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import type { OrganizationTable } from '../store/schema.ts'
import type { Principal } from './principal.ts'
import type { TokenLogin } from './token-login.ts'

/** The user, the organization and the permissions that a request speaks for. */
export async function describePrincipal(
  { db }: Pick<ServerContext, 'db'>,
  principal: Principal,
): Promise<Me> {
  const row = await db
    .selectFrom('organizations')
    .innerJoin('users', (join) => join.on('users.id', '=', principal.userId))
    .selectAll('organizations')
    .select(['users.name as userName', 'users.email'])
    .where('organizations.id', '=', principal.organizationId)
    .executeTakeFirstOrThrow()
  return {
    id: principal.userId,
    name: row.userName,
    email: row.email,
    organization: toOrganization(row),
    permissions: [...principal.permissions],
    keyName: principal.keyName,
  }
}

/** An access token reaches all organizations of its user, the oldest first; an API key its own. */
export async function reachableOrganizations(
  { db }: Pick<ServerContext, 'db'>,
  who: Principal | TokenLogin,
): Promise<Organization[]> {
  const members = db
    .selectFrom('organizations')
    .innerJoin('memberships', 'memberships.organizationId', 'organizations.id')
    .innerJoin('users', 'users.id', 'memberships.userId')
    .selectAll('organizations')
    .where('users.id', '=', who.userId)
    .where('users.disabledAt', 'is', null)
    .orderBy('organizations.createdAt')
    .orderBy('organizations.slug')
  const reachable =
    'organizationId' in who ? members.where('organizations.id', '=', who.organizationId) : members
  return (await reachable.execute()).map(toOrganization)
}

function toOrganization({ id, slug, name, createdAt }: Selectable<OrganizationTable>): Organization {
  return { id, slug, name, createdAt: new Date(createdAt).toISOString() }
}
