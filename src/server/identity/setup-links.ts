import { createHash, randomBytes } from 'node:crypto'
import type { ServerContext } from '../context.ts'
import type { Trx } from '../store/database.ts'
import { type Account, findActiveAccount, setPassword } from './accounts.ts'

type Ctx = Pick<ServerContext, 'db' | 'now'>

/** Long enough to send it to a colleague, too short to lie around. */
export const SETUP_LINK_MS = 24 * 3_600_000
const TOKEN_BYTES = 32

/** Makes the token of a link that sets this user's password once. Earlier links of the user end. */
export async function createSetupToken(trx: Trx, userId: string, now: number): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  await trx.deleteFrom('setup_links').where('userId', '=', userId).execute()
  await trx
    .insertInto('setup_links')
    .values({ hash: hashOf(token), userId, expiresAt: now + SETUP_LINK_MS })
    .execute()
  return token
}

/** Whose link it is; undefined when it is unknown, used, replaced or expired, or the user is disabled. */
export async function accountOfSetupToken(ctx: Ctx, token: string): Promise<Account | undefined> {
  const row = await ctx.db
    .selectFrom('setup_links')
    .select('userId')
    .where('hash', '=', hashOf(token))
    .where('expiresAt', '>', ctx.now())
    .executeTakeFirst()
  return row && findActiveAccount(ctx, row.userId)
}

/**
 * Uses the link up.
 *
 * @returns the account, whose password is now `password`; undefined as accountOfSetupToken
 * @throws ImgctlError USAGE as setPassword: then the link can still be used
 */
export async function useSetupToken(ctx: Ctx, token: string, password: string): Promise<Account | undefined> {
  const account = await accountOfSetupToken(ctx, token)
  const used = account && (await setPassword(ctx, account.userId, password, hashOf(token)))
  return used ? account : undefined
}

export async function removeOldSetupLinks({ db, now }: Ctx): Promise<void> {
  await db.deleteFrom('setup_links').where('expiresAt', '<=', now()).execute()
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
