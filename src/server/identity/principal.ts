import { createHash } from 'node:crypto'
import { API_KEY, PERMISSIONS, type Permission } from '../../contract/identity.ts'
import { ImgctlError, isCode } from '../../errors/error.ts'
import type { ServerContext } from '../context.ts'

/** Who asks, in which organization, and what they may do. */
export interface Principal {
  readonly organizationId: string
  readonly organizationSlug: string
  readonly userId: string
  readonly userName: string
  readonly permissions: ReadonlySet<Permission>
  /** The API key that was used, when one was. */
  readonly keyId: string | null
  readonly keyName: string | null
  /** The login at this server's own issuer that an access token came from. */
  readonly grantId: string | null
}

/** A key that is used all the time must not mean a write per request. */
const LAST_USED_RESOLUTION_MS = 60_000

/** What is stored of an API key: the value has 256 random bits, so a plain hash cannot be searched. */
export function hashApiKey(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}

/** Whose API key `value` is; undefined when it is no key, unknown, revoked or expired. */
export async function principalOfApiKey(
  ctx: Pick<ServerContext, 'db' | 'now'>,
  value: string,
): Promise<Principal | undefined> {
  if (!API_KEY.test(value)) return undefined
  const row = await selectKeys(ctx).where('api_keys.hash', '=', hashApiKey(value)).executeTakeFirst()
  if (!row || isExpired(row, ctx.now())) return undefined
  await noteUse(ctx, row)
  return toPrincipal(row)
}

/** As principalOfApiKey, for what was derived from a key: dead as soon as the key is. */
export async function principalOfKeyId(
  ctx: Pick<ServerContext, 'db' | 'now'>,
  keyId: string,
): Promise<Principal | undefined> {
  const row = await selectKeys(ctx).where('api_keys.id', '=', keyId).executeTakeFirst()
  return row && !isExpired(row, ctx.now()) ? toPrincipal(row) : undefined
}

/**
 * The user of an access token in one of their organizations: the one named by id or slug, else the first.
 *
 * @returns undefined when the user is gone, disabled, or no member there
 */
export async function principalOfMember(
  { db }: Pick<ServerContext, 'db'>,
  { userId, grantId }: { readonly userId: string; readonly grantId: string | null },
  organization?: string,
): Promise<Principal | undefined> {
  const members = db
    .selectFrom('memberships')
    .innerJoin('organizations', 'organizations.id', 'memberships.organizationId')
    .innerJoin('users', 'users.id', 'memberships.userId')
    .select([
      'organizations.id as organizationId',
      'organizations.slug as organizationSlug',
      'users.id as userId',
      'users.name as userName',
      'memberships.permissionsJson as memberPermissions',
    ])
    .where('users.id', '=', userId)
    .where('users.disabledAt', 'is', null)
    .orderBy('organizations.createdAt')
    .orderBy('organizations.slug')
  const named =
    organization === undefined
      ? members
      : members.where(({ eb, or }) =>
          or([eb('organizations.id', '=', organization), eb('organizations.slug', '=', organization)]),
        )
  const row = await named.executeTakeFirst()
  if (!row) return undefined
  const { memberPermissions, ...who } = row
  const permissions = new Set(parsePermissions(memberPermissions))
  return { ...who, permissions, keyId: null, keyName: null, grantId }
}

export function hasPermission(principal: Principal, permission: Permission): boolean {
  return principal.permissions.has(permission) || principal.permissions.has('admin')
}

/** @throws ImgctlError FORBIDDEN naming the missing permission. `admin` implies every other. */
export function requirePermission(principal: Principal, permission: Permission): void {
  if (hasPermission(principal, permission)) return
  const { keyName, organizationSlug } = principal
  if (keyName === null) {
    throw new ImgctlError('FORBIDDEN', `you lack the permission ${permission} in ${organizationSlug}`, {
      hint: 'ask the person who runs the server for it, or choose another organization',
    })
  }
  throw new ImgctlError('FORBIDDEN', `the API key '${keyName}' lacks the permission ${permission}`, {
    hint: `use an API key that was created with ${permission}`,
  })
}

/** Permissions from a database column: what this version does not know grants nothing. */
export function parsePermissions(json: string): Permission[] {
  const stored = new Set(JSON.parse(json) as string[])
  return PERMISSIONS.filter((permission) => stored.has(permission))
}

type KeyRow = NonNullable<Awaited<ReturnType<ReturnType<typeof selectKeys>['executeTakeFirst']>>>

/** Joined with the membership, so that a user who left the organization has no key in it. */
function selectKeys({ db }: Pick<ServerContext, 'db'>) {
  return db
    .selectFrom('api_keys')
    .innerJoin('organizations', 'organizations.id', 'api_keys.organizationId')
    .innerJoin('users', 'users.id', 'api_keys.userId')
    .innerJoin('memberships', (join) =>
      join
        .onRef('memberships.organizationId', '=', 'api_keys.organizationId')
        .onRef('memberships.userId', '=', 'api_keys.userId'),
    )
    .select([
      'api_keys.id as keyId',
      'api_keys.name as keyName',
      'api_keys.permissionsJson as keyPermissions',
      'api_keys.expiresAt',
      'api_keys.lastUsedAt',
      'organizations.id as organizationId',
      'organizations.slug as organizationSlug',
      'users.id as userId',
      'users.name as userName',
      'memberships.permissionsJson as memberPermissions',
    ])
    .where('users.disabledAt', 'is', null)
}

function isExpired({ expiresAt }: Pick<KeyRow, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}

/** On a full disk, what needs no space must go on. */
async function noteUse({ db, now }: Pick<ServerContext, 'db' | 'now'>, row: KeyRow): Promise<void> {
  const at = now()
  if (row.lastUsedAt !== null && at - row.lastUsedAt < LAST_USED_RESOLUTION_MS) return
  try {
    await db.updateTable('api_keys').set({ lastUsedAt: at }).where('id', '=', row.keyId).execute()
  } catch (error) {
    if (!isCode(error, 'DISK_FULL')) throw error
  }
}

/** A key never allows more than its user may do today. */
function toPrincipal(row: KeyRow): Principal {
  const member = new Set(parsePermissions(row.memberPermissions))
  const granted = parsePermissions(row.keyPermissions)
  return {
    organizationId: row.organizationId,
    organizationSlug: row.organizationSlug,
    userId: row.userId,
    userName: row.userName,
    permissions: new Set(granted.filter((permission) => member.has('admin') || member.has(permission))),
    keyId: row.keyId,
    keyName: row.keyName,
    grantId: null,
  }
}
