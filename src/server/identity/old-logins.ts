import type { ServerContext } from '../context.ts'
import { removeOldFailures } from './login-throttle.ts'
import { removeOldSetupLinks } from './setup-links.ts'

/** Removes what of logins has expired: sessions, codes, tokens, grants, links and counts of failures. */
export async function removeOldLogins(ctx: Pick<ServerContext, 'db' | 'now'>): Promise<void> {
  await ctx.db.deleteFrom('issuer_records').where('expiresAt', '<=', ctx.now()).execute()
  await removeOldSetupLinks(ctx)
  await removeOldFailures(ctx)
}
