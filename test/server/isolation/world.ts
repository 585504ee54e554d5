import type { Permission } from '../../../src/contract/identity.ts'
import { hashApiKey } from '../../../src/server/identity/principal.ts'
import { addUser, type OpenApp, openApp } from '../http/open-app.ts'
import { basic, Client } from '../registry-context.ts'

export const KEY_PERMISSIONS: readonly Permission[] = [
  'read:images',
  'write:images',
  'delete:images',
  'read:registries',
  'write:registries',
  'delete:registries',
]
const NO_LIMIT = { key: 1_000_000, address: 1_000_000 }

/** A whole server with two organizations: `default`, whose things are guarded, and `other`, who may do all in its own. */
export interface World extends OpenApp {
  /** An administrator's key of the organization `other`. */
  readonly stranger: string
  /** What a logged-in user of an organization shows, who may do exactly these there. */
  tokenOf(slug: string, permissions: readonly Permission[]): Promise<string>
  /** A new key of `default` with exactly these. */
  keyWith(permissions: readonly Permission[]): Promise<string>
  /** Pushes a new image to `default/app` as docker does. @returns its name and digests */
  pushImage(): Promise<{ name: string; repository: string; digest: string; layer: string }>
  /** As the registry's client. @param secret a key, push secret or, with `bearer`, a registry token */
  client(secret: string | undefined, bearer?: boolean): Client
  /** Everything that is stored of `default`, as text: the same before and after a call that was refused. */
  stored(): Promise<string>
}

export async function openWorld(): Promise<World> {
  const limits = { imageBytes: 1024 ** 3, imagesPerOrganization: 10_000, requestsPerMinute: NO_LIMIT }
  const app = await openApp({ whole: true, settings: { limits } })
  const { key: stranger } = await addUser(app.ctx.db, 'other', [...KEY_PERMISSIONS, 'admin'])
  const server = { url: app.url, port: 0, close: async () => {} }
  let next = 0
  const client: World['client'] = (secret, bearer = false) =>
    new Client(server, secret === undefined ? undefined : bearer ? `Bearer ${secret}` : basic(secret))
  const users = new Map<string, string>()
  // How a token is verified is test/server/issuer's matter; here it is what its user may do.
  Object.assign(app.ctx, {
    accessTokens: {
      verify: async (token: string) => {
        const userId = users.get(token)
        return userId && { userId, grantId: null }
      },
    },
  })
  return {
    ...app,
    stranger,
    async tokenOf(slug, permissions) {
      const { key } = await addUser(app.ctx.db, slug, [...permissions])
      const row = await app.ctx.db
        .selectFrom('api_keys')
        .select('userId')
        .where('hash', '=', hashApiKey(key))
        .executeTakeFirstOrThrow()
      const token = `token.of.user-${++next}`
      users.set(token, row.userId)
      return token
    },
    client,
    async keyWith(permissions) {
      const answer = await app.call('POST', '/api/api-keys', { body: { name: `key ${++next}`, permissions } })
      return answer.as<{ value: string }>().value
    },
    async pushImage() {
      const name = `app:${++next}`
      const { digest, layer } = await client(app.key).pushImage('default/app', String(next), `secret ${next}`)
      return { name, repository: 'default/app', digest, layer }
    },
    stored: () => storedOf(app, 'default'),
  }
}

/** When a key was last used, and what a push relied on, may change by looking. */
const VOLATILE = new Set(['lastUsedAt', 'touchedAt', 'content'])

async function storedOf({ ctx: { db } }: OpenApp, slug: string): Promise<string> {
  const { id } = await db
    .selectFrom('organizations')
    .select('id')
    .where('slug', '=', slug)
    .executeTakeFirstOrThrow()
  const own = ['memberships', 'api_keys', 'registries', 'repositories', 'images', 'image_labels'] as const
  const inRepository = ['blob_links', 'manifests', 'tags', 'uploads'] as const
  const tables: Record<string, unknown> = {}
  for (const table of own) {
    tables[table] = await db.selectFrom(table).selectAll().where('organizationId', '=', id).execute()
  }
  const repositories = db.selectFrom('repositories').select('id').where('organizationId', '=', id)
  for (const table of inRepository) {
    tables[table] = await db.selectFrom(table).selectAll().where('repositoryId', 'in', repositories).execute()
  }
  return JSON.stringify(tables, (name, value) => (VOLATILE.has(name) ? undefined : value), 1)
}
