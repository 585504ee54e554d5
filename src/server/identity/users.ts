import { ImgctlError } from '../../errors/error.ts'
import type { UserRecord, UserState } from '../../ports/server-users.ts'
import type { Db } from '../store/database.ts'
import { endLogins, normalizeLogin } from './accounts.ts'
import { membershipsOf } from './memberships.ts'

/** All users, the oldest first. */
export async function listUsers(db: Db): Promise<UserRecord[]> {
  const rows = await db
    .selectFrom('users')
    .leftJoin('accounts', 'accounts.userId', 'users.id')
    .leftJoin('identities', 'identities.userId', 'users.id')
    .selectAll('users')
    .select(['accounts.login', 'accounts.passwordHash', 'identities.issuer'])
    .select(({ selectFrom }) =>
      selectFrom('api_keys')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('api_keys.userId', '=', 'users.id')
        .as('apiKeys'),
    )
    .orderBy('users.createdAt')
    .orderBy('users.id')
    .execute()
  return Promise.all(
    rows.map(async (row) => ({
      login: row.login,
      id: row.id,
      name: row.name,
      email: row.email,
      state: stateOf(row),
      issuer: row.issuer,
      memberships: await membershipsOf({ db }, row.id),
      apiKeys: row.apiKeys ?? 0,
      createdAt: new Date(row.createdAt).toISOString(),
    })),
  )
}

/**
 * The user with that login or id, else the only one with that e-mail address or name.
 *
 * @throws ImgctlError NOT_FOUND; CONFLICT when several have it
 */
export async function findUser(db: Db, text: string): Promise<UserRecord> {
  return pickUser(await listUsers(db), text)
}

/** As findUser, of users that are known. */
export function pickUser(users: readonly UserRecord[], text: string): UserRecord {
  const exact = users.find(({ login, id }) => id === text || login === normalizeLogin(text))
  if (exact) return exact
  const named = users.filter(({ name, email }) => name === text || email === text)
  const [only, ...others] = named
  if (!only) {
    throw new ImgctlError('NOT_FOUND', `there is no user ${JSON.stringify(text)}`, {
      hint: 'imgctl serve user list shows them',
    })
  }
  if (others.length === 0) return only
  throw new ImgctlError('CONFLICT', `${named.length} users are called ${JSON.stringify(text)}`, {
    hint: `give the id: ${named.map(({ id }) => id).join(' or ')}`,
  })
}

/** A disabled user keeps keys and memberships, which do nothing; logins end. */
export async function setUserEnabled(db: Db, id: string, enabled: boolean, now: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const disabledAt = enabled ? null : now
    await trx.updateTable('users').set({ disabledAt }).where('id', '=', id).execute()
    if (!enabled) await endLogins(trx, id)
  })
}

/** With their API keys, memberships and logins. Images stay: they are the organization's. */
export async function removeUser(db: Db, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await endLogins(trx, id)
    await trx.deleteFrom('users').where('id', '=', id).execute()
  })
}

function stateOf(row: {
  readonly disabledAt: number | null
  readonly login: string | null
  readonly passwordHash: string | null
}): UserState {
  if (row.disabledAt !== null) return 'disabled'
  return row.login !== null && row.passwordHash === null ? 'invited' : 'active'
}
