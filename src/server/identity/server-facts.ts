import type { ServerContext } from '../context.ts'
import type { Db } from '../store/database.ts'
import { recordUserlessChange } from './audit-log.ts'
import { ISSUER_PATH } from './issuer.ts'

const LOGIN_URL = 'loginUrl'
const BACKUP_AT = 'backupAt'

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

/** Marks a database as a copy that was made at this moment. @param now milliseconds since 1970 */
export async function markAsBackup(db: Db, now: number): Promise<void> {
  const row = { name: BACKUP_AT, value: new Date(now).toISOString() }
  await db
    .insertInto('server_facts')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute()
}

/** Whether a database is a copy that no server has been started on. */
export async function isBackup(db: Db): Promise<boolean> {
  return (await backupTime(db)) !== undefined
}

/** A start on a backup is its restoration: from now on it is a server's data, and each audit log says so. */
export async function noteRestoration({ db, now }: Pick<ServerContext, 'db' | 'now'>): Promise<void> {
  const at = await backupTime(db)
  if (at === undefined) return
  await db.transaction().execute(async (trx) => {
    const change = { by: 'operator', action: 'server.restore', target: `backup of ${at}` } as const
    await recordUserlessChange({ db: trx, now }, { ...change, organizations: 'all' })
    await trx.deleteFrom('server_facts').where('name', '=', BACKUP_AT).execute()
  })
}

async function backupTime(db: Db): Promise<string | undefined> {
  const row = await db
    .selectFrom('server_facts')
    .select('value')
    .where('name', '=', BACKUP_AT)
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
