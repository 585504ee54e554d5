import type { ServerContext } from '../context.ts'
import type { Db } from '../store/database.ts'
import { ISSUER_PATH } from './issuer.ts'

const LOGIN_URL = 'loginUrl'

/** Writes down where people log in, for commands that work on the data folder while the server runs or not. */
export async function noteServer({ db, settings, origin }: ServerContext): Promise<void> {
  const value = settings.oidc ? undefined : origin()
  if (value === (await readLoginUrl(db))) return
  await db.deleteFrom('server_facts').where('name', '=', LOGIN_URL).execute()
  if (value === undefined) return
  await db.insertInto('server_facts').values({ name: LOGIN_URL, value }).execute()
}

/** What noteServer wrote last; undefined when nobody can log in at the server itself. */
export async function readLoginUrl(db: Db): Promise<string | undefined> {
  const row = await db
    .selectFrom('server_facts')
    .select('value')
    .where('name', '=', LOGIN_URL)
    .executeTakeFirst()
  return row?.value
}

/** Undefined where nobody can log in at the server itself. */
export function setupLinkOf({ settings, origin }: ServerContext, token: string): string | undefined {
  const url = settings.oidc ? undefined : origin()
  return url === undefined ? undefined : formatSetupLink(url, token)
}

export function formatSetupLink(origin: string, token: string): string {
  return `${origin}${ISSUER_PATH}/setup/${token}`
}
