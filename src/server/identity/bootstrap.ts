import { randomUUID } from 'node:crypto'
import { PERMISSIONS, type Permission } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import { newKeyValue } from './api-keys.ts'

const ORGANIZATION = { slug: 'default', name: 'Default' }
const ADMINISTRATOR = 'administrator'
const FIRST_KEY = 'first'

/**
 * At the first start: the organization `default`, an administrator and one API key with every permission.
 *
 * @returns the key's value, which cannot be read again; undefined at every later start
 */
export async function bootstrap(
  ctx: Pick<ServerContext, 'db' | 'now' | 'settings'>,
): Promise<string | undefined> {
  return ctx.db.transaction().execute(async (trx) => {
    const known = await trx.selectFrom('organizations').select('id').limit(1).executeTakeFirst()
    if (known) return undefined
    const createdAt = ctx.now()
    const organizationId = randomUUID()
    const userId = randomUUID()
    const permissionsJson = JSON.stringify(PERMISSIONS satisfies readonly Permission[])
    const { value, hash, masked } = newKeyValue()
    const imageQuota = ctx.settings.limits.imagesPerOrganization
    await trx
      .insertInto('organizations')
      .values({ id: organizationId, ...ORGANIZATION, imageQuota, createdAt })
      .execute()
    await trx
      .insertInto('users')
      .values({ id: userId, name: ADMINISTRATOR, email: null, createdAt })
      .execute()
    await trx.insertInto('memberships').values({ organizationId, userId, permissionsJson }).execute()
    await trx
      .insertInto('api_keys')
      .values({
        id: randomUUID(),
        organizationId,
        userId,
        name: FIRST_KEY,
        hash,
        masked,
        permissionsJson,
        createdAt,
        expiresAt: null,
        lastUsedAt: null,
      })
      .execute()
    return value
  })
}
