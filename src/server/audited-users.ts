import type { ServerUsers } from '../ports/server-users.ts'

/**
 * Writes down one change that the operator made.
 *
 * @param organizations slugs of those that it concerns
 */
export type NoteChange = (action: string, target: string, organizations: readonly string[]) => Promise<void>

/** The same users; what changes them is in the audit log of each organization that it concerns. */
export function auditedUsers(users: ServerUsers, note: NoteChange): ServerUsers {
  const organizationsOf = async (user: string): Promise<string[]> => {
    const found = (await users.list()).filter(({ login, id, email, name }) =>
      [login, id, email, name].includes(user),
    )
    return found.flatMap(({ memberships }) => memberships.map(({ organization }) => organization))
  }
  return {
    ...users,
    async add(user) {
      const link = await users.add(user)
      await note('user.add', user.login, user.permissions.length > 0 ? [user.organization] : [])
      return link
    },
    async setupLink(user) {
      const link = await users.setupLink(user)
      await note('user.setup-link', user, await organizationsOf(user))
      return link
    },
    async setPassword(user, password) {
      await users.setPassword(user, password)
      await note('user.set-password', user, await organizationsOf(user))
    },
    async grant(user, organization, permissions) {
      await users.grant(user, organization, permissions)
      await note('user.grant', `${user}: ${permissions.join(', ')}`, [organization])
    },
    async revoke(user, organization) {
      await users.revoke(user, organization)
      await note('user.revoke', user, [organization])
    },
    async createKey(user, key) {
      const made = await users.createKey(user, key)
      const organizations = key.organization === undefined ? await organizationsOf(user) : [key.organization]
      await note('api-key.create', `${made.name} of ${user}`, organizations)
      return made
    },
    async setEnabled(user, enabled) {
      await users.setEnabled(user, enabled)
      await note(enabled ? 'user.enable' : 'user.disable', user, await organizationsOf(user))
    },
    async remove(user) {
      const removed = await users.remove(user)
      await note(
        'user.remove',
        user,
        removed.memberships.map(({ organization }) => organization),
      )
      return removed
    },
    async addOrganization(slug, name) {
      const made = await users.addOrganization(slug, name)
      await note('organization.add', slug, [slug])
      return made
    },
  }
}
