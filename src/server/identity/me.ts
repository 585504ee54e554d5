import type { Me, Organization } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import type { OrganizationTable } from '../store/schema.ts'
import type { Principal } from './principal.ts'

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

/** The organizations that the principal can reach: an API key reaches only its own. */
export async function reachableOrganizations(
  { db }: Pick<ServerContext, 'db'>,
  principal: Principal,
): Promise<Organization[]> {
  const rows = await db
    .selectFrom('organizations')
    .selectAll()
    .where('id', '=', principal.organizationId)
    .execute()
  return rows.map(toOrganization)
}

function toOrganization({ id, slug, name, createdAt }: OrganizationTable): Organization {
  return { id, slug, name, createdAt: new Date(createdAt).toISOString() }
}
