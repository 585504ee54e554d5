import { join } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import type { NewKey, ServerUsers, SetupLink, UserRecord } from '../ports/server-users.ts'
import { auditedUsers, type NoteChange } from './audited-users.ts'
import { openReserve } from './content/reserve.ts'
import { createAccount, setPassword } from './identity/accounts.ts'
import { countApiKeys, createApiKey, revokeAllApiKeys } from './identity/api-keys.ts'
import { recordUserlessChange } from './identity/audit-log.ts'
import { removeMembership, setMembership } from './identity/memberships.ts'
import {
  createOrganization,
  findOrganization,
  listOrganizations,
  setStorageQuota,
} from './identity/organizations.ts'
import { principalOfMember } from './identity/principal.ts'
import { formatSetupLink, readLoginUrl } from './identity/server-facts.ts'
import { createSetupToken, SETUP_LINK_MS } from './identity/setup-links.ts'
import { findUser, listUsers, removeUser, setUserEnabled } from './identity/users.ts'
import { type ChosenSettings, serverSettings } from './settings.ts'
import { DATABASE_FILE, type Db } from './store/database.ts'
import { openExisting } from './store/existing.ts'

/**
 * The users of a server, for the operator's commands: they write to its database, which the server reads at every
 * request.
 *
 * @param now the clock, milliseconds since 1970
 */
export function openServerUsers(chosen: ChosenSettings, now: () => number = Date.now): ServerUsers {
  const { dataDir, limits } = serverSettings(chosen)
  const using = async <T>(action: (db: Db) => Promise<T>): Promise<T> => {
    const db = await openExisting(join(dataDir, DATABASE_FILE))
    const reserve = await openReserve(dataDir)
    try {
      return await reserve.use(() => action(db))
    } finally {
      await db.destroy()
    }
  }
  const note: NoteChange = (action, target, organizations) =>
    using((db) => recordUserlessChange({ db, now }, { by: 'operator', action, target, organizations }))
  const users: ServerUsers = {
    list: () => using(listUsers),
    add: ({ organization, permissions, ...user }) =>
      using(async (db) => {
        const url = await requireLoginUrl(db)
        return db.transaction().execute(async (trx) => {
          const { userId, login } = await createAccount(trx, now(), user)
          if (permissions.length > 0) await setMembership(trx, userId, organization, permissions)
          return linkOf(url, { login, apiKeys: 0 }, await createSetupToken(trx, userId, now()), now())
        })
      }),
    setupLink: (user) =>
      using(async (db) => {
        const found = await findUser(db, user)
        const login = requireLogin(found)
        const url = await requireLoginUrl(db)
        const token = await db.transaction().execute((trx) => createSetupToken(trx, found.id, now()))
        return linkOf(url, { login, apiKeys: await countApiKeys({ db, now }, found.id) }, token, now())
      }),
    setPassword: (user, password) =>
      using(async (db) => {
        const found = await findUser(db, user)
        requireLogin(found)
        await setPassword({ db, now }, found.id, password)
        return countApiKeys({ db, now }, found.id)
      }),
    revokeKeys: (user) => using(async (db) => revokeAllApiKeys({ db }, (await findUser(db, user)).id)),
    grant: (user, organization, permissions) =>
      using(async (db) => setMembership(db, (await findUser(db, user)).id, organization, permissions)),
    revoke: (user, organization) =>
      using(async (db) => removeMembership(db, (await findUser(db, user)).id, organization)),
    createKey: (user, key) => using(async (db) => createKey(db, now, await findUser(db, user), key)),
    setEnabled: (user, enabled) =>
      using(async (db) => setUserEnabled(db, (await findUser(db, user)).id, enabled, now())),
    remove: (user) =>
      using(async (db) => {
        const found = await findUser(db, user)
        await removeUser(db, found.id)
        return found
      }),
    organizations: () => using(listOrganizations),
    addOrganization: (slug, name) =>
      using(async (db) => {
        const facts = { imageQuota: limits.imagesPerOrganization, now: now() }
        await createOrganization(db, slug, name ?? slug, facts)
        return findOrganization(db, slug)
      }),
    setStorageQuota: (slug, bytes) => using((db) => setStorageQuota(db, slug, bytes)),
  }
  return auditedUsers(users, note)
}

async function createKey(
  db: Db,
  now: () => number,
  { id: userId, memberships, ...user }: UserRecord,
  { name, organization, permissions }: NewKey,
) {
  if (user.state === 'disabled') {
    throw new ImgctlError('CONFLICT', `${user.name} is disabled: a key would do nothing`, {
      hint: 'imgctl serve user enable lets them in again',
    })
  }
  if (organization === undefined && memberships.length > 1) {
    throw new ImgctlError('USAGE', `${user.name} is in ${memberships.length} organizations`, {
      hint: `name one with --organization: ${memberships.map((each) => each.organization).join(', ')}`,
    })
  }
  const principal = await principalOfMember({ db }, { userId, grantId: null }, organization)
  if (!principal) {
    throw new ImgctlError(
      'NOT_FOUND',
      `${user.name} is not in the organization ${organization ?? '(none)'}`,
      {
        hint: 'imgctl serve user grant lets them in',
      },
    )
  }
  const made = await createApiKey({ db, now }, principal, {
    name: name ?? `made at the server ${new Date(now()).toISOString()}`,
    permissions: permissions.length > 0 ? [...permissions] : [...principal.permissions],
  })
  return { name: made.name, value: made.value }
}

function linkOf(
  url: string,
  { login, apiKeys }: { readonly login: string; readonly apiKeys: number },
  token: string,
  now: number,
): SetupLink {
  const expiresAt = new Date(now + SETUP_LINK_MS).toISOString()
  return { user: login, link: formatSetupLink(url, token), expiresAt, apiKeys }
}

function requireLogin({ login, name, issuer }: UserRecord): string {
  if (login !== null) return login
  throw new ImgctlError(
    'CONFLICT',
    `${name} logs in at ${issuer ?? 'another issuer'} and has no password here`,
  )
}

async function requireLoginUrl(db: Db): Promise<string> {
  const url = await readLoginUrl(db)
  if (url !== undefined) return url
  throw new ImgctlError('CONFLICT', 'nobody can log in at this server with a password', {
    hint: 'it takes the logins of another issuer, or needs --public-url to know its own address',
  })
}
