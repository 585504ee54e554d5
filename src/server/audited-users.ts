import type { ServerUsers, UserRecord } from '../ports/server-users.ts'
import { pickUser } from './identity/users.ts'

/**
 * Writes down one change that the operator made.
 *
 * @param organizations slugs of those that it concerns
 */
export type NoteChange = (action: string, target: string, organizations: readonly string[]) => Promise<void>

/**
 * The same users; what changes them is in the audit log of each organization that it concerns, under their user name
 * however the operator called them.
 */
export function auditedUsers(users: ServerUsers, note: NoteChange): ServerUsers {
  const find = async (text: string) => pickUser(await users.list(), text)
  return {
    ...users,
    async add(user) {
      const link = await users.add(user)
      await note('user.add', link.user, user.permissions.length > 0 ? [user.organization] : [])
      return link
    },
    async setupLink(text) {
      const link = await users.setupLink(text)
      await note('user.setup-link', link.user, organizationsOf(await find(text)))
      return link
    },
    async setPassword(text, password) {
      const apiKeys = await users.setPassword(text, password)
      const user = await find(text)
      await note('user.set-password', nameOf(user), organizationsOf(user))
      return apiKeys
    },
    async revokeKeys(text) {
      const revoked = await users.revokeKeys(text)
      const user = await find(text)
      await note('user.revoke-keys', `${nameOf(user)}: ${revoked}`, organizationsOf(user))
      return revoked
    },
    async grant(text, organization, permissions) {
      await users.grant(text, organization, permissions)
      await note('user.grant', `${nameOf(await find(text))}: ${permissions.join(', ')}`, [organization])
    },
    async revoke(text, organization) {
      await users.revoke(text, organization)
      await note('user.revoke', nameOf(await find(text)), [organization])
    },
    async createKey(text, key) {
      const made = await users.createKey(text, key)
      const user = await find(text)
      const organizations = key.organization === undefined ? organizationsOf(user) : [key.organization]
      await note('api-key.create', `${made.name} of ${nameOf(user)}`, organizations)
      return made
    },
    async setEnabled(text, enabled) {
      await users.setEnabled(text, enabled)
      const user = await find(text)
      await note(enabled ? 'user.enable' : 'user.disable', nameOf(user), organizationsOf(user))
    },
    async remove(text) {
      const removed = await users.remove(text)
      await note('user.remove', nameOf(removed), organizationsOf(removed))
      return removed
    },
    async addOrganization(slug, name) {
      const made = await users.addOrganization(slug, name)
      await note('organization.add', slug, [slug])
      return made
    },
    async setStorageQuota(slug, bytes) {
      const changed = await users.setStorageQuota(slug, bytes)
      await note('organization.set-quota', `${slug}: ${bytes ?? 'default'}`, [slug])
      return changed
    },
  }
}

/** Who logs in at another issuer has no user name here, and a name that others may have too. */
function nameOf({ login, id }: UserRecord): string {
  return login ?? id
}

function organizationsOf({ memberships }: UserRecord): string[] {
  return memberships.map(({ organization }) => organization)
}
