import { randomUUID } from 'node:crypto'
import { PERMISSIONS, type Permission } from '../../contract/identity.ts'
import type { ServerContext } from '../context.ts'
import { createAccount } from './accounts.ts'
import { newKeyValue } from './api-keys.ts'
import { createSetupToken } from './setup-links.ts'

const ORGANIZATION = { slug: 'default', name: 'Default' }
export const ADMINISTRATOR = 'administrator'
const FIRST_KEY = 'first'

/** What the first start hands out, this one time. */
export interface FirstSecrets {
  /** An API key with every permission. */
  readonly apiKey: string
  /** Sets the administrator's password. */
  readonly setupToken: string
}

/**
 * At the first start: the organization `default`, an administrator and one API key with every permission.
 *
 * @returns what cannot be read again; undefined at every later start
 */
export async function bootstrap(
  ctx: Pick<ServerContext, 'db' | 'now' | 'settings'>,
): Promise<FirstSecrets | undefined> {
  return ctx.db.transaction().execute(async (trx) => {
    const known = await trx.selectFrom('organizations').select('id').limit(1).executeTakeFirst()
    if (known) return undefined
    const createdAt = ctx.now()
    const organizationId = randomUUID()
    const permissionsJson = JSON.stringify(PERMISSIONS satisfies readonly Permission[])
    const { value, hash, masked } = newKeyValue()
    const imageQuota = ctx.settings.limits.imagesPerOrganization
    await trx
      .insertInto('organizations')
      .values({ id: organizationId, ...ORGANIZATION, imageQuota, createdAt })
      .execute()
    const { userId } = await createAccount(trx, createdAt, { login: ADMINISTRATOR })
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
    return { apiKey: value, setupToken: await createSetupToken(trx, userId, createdAt) }
  })
}
