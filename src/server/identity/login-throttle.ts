import { createHash } from 'node:crypto'
import type { ServerContext } from '../context.ts'
import { siteOf } from './site.ts'

type Ctx = Pick<ServerContext, 'db' | 'now'>

/** Failures are forgotten this long after the first one: nobody is kept out for longer than that. */
const WINDOW_MS = 15 * 60_000
/** A person who mistypes needs fewer; one who guesses gets no further than 40 an hour. */
const PER_USER = 10
/** Several people may share an address; it stops one who tries a common password on many users. */
const PER_ADDRESS = 30
const MS_PER_SECOND = 1000

export interface Bucket {
  readonly name: string
  readonly limit: number
}

/**
 * What an attempt to log in counts against. A browser that has logged in as this user before has a count of its
 * own: others, who can fill those of the user and of a shared address, cannot keep it out.
 */
export function bucketsOf(attempt: {
  readonly login: string
  readonly address: string
  /** The browser's own id, when it proved that it knows this user. */
  readonly device: string | undefined
}): readonly Bucket[] {
  if (attempt.device !== undefined) return [{ name: `device:${attempt.device}`, limit: PER_USER }]
  // Hashed: what is typed as a user name is now and then the password.
  const user = createHash('sha256').update(attempt.login).digest('base64url')
  return [
    { name: `user:${user}`, limit: PER_USER },
    { name: `address:${siteOf(attempt.address)}`, limit: PER_ADDRESS },
  ]
}

/** Over all users together: someone who knows many names must not push what else happened out of the audit log. */
const WRITTEN_PER_WINDOW = 60

/** Whether one more failure may be written down, which is counted with this. */
export async function mayWriteFailure(ctx: Ctx): Promise<boolean> {
  return (await admit(ctx, [{ name: 'audit', limit: WRITTEN_PER_WINDOW }])) === undefined
}

/**
 * Counts an attempt as failed before the password is looked at, so that many at once are no way around the limit.
 *
 * @returns undefined: go on; else the seconds to wait, and nothing was counted
 */
export async function admit(ctx: Ctx, buckets: readonly Bucket[]): Promise<number | undefined> {
  const now = ctx.now()
  return ctx.db.transaction().execute(async (trx) => {
    const names = buckets.map(({ name }) => name)
    const rows = await trx.selectFrom('login_failures').selectAll().where('bucket', 'in', names).execute()
    const current = new Map(
      rows.filter(({ since }) => since + WINDOW_MS > now).map((row) => [row.bucket, row]),
    )
    const waits = buckets.flatMap(({ name, limit }) => {
      const row = current.get(name)
      return row && row.failures >= limit ? [row.since + WINDOW_MS - now] : []
    })
    if (waits.length > 0) return Math.ceil(Math.max(...waits) / MS_PER_SECOND)
    for (const { name } of buckets) {
      const { failures = 0, since = now } = current.get(name) ?? {}
      const row = { bucket: name, failures: failures + 1, since }
      await trx
        .insertInto('login_failures')
        .values(row)
        .onConflict((conflict) => conflict.column('bucket').doUpdateSet(row))
        .execute()
    }
    return undefined
  })
}

/** The attempt was right: it does not count, and the wrong ones before it are the user's own. */
export async function forgive(ctx: Ctx, buckets: readonly Bucket[]): Promise<void> {
  const names = buckets.map(({ name }) => name)
  const own = names.filter((name) => !name.startsWith('address:'))
  await ctx.db.deleteFrom('login_failures').where('bucket', 'in', own).execute()
  // An address stays suspect: who has one right password may be guessing others.
  await ctx.db
    .updateTable('login_failures')
    .set(({ eb }) => ({ failures: eb('failures', '-', 1) }))
    .where('bucket', 'in', names)
    .where('failures', '>', 0)
    .execute()
}

export async function removeOldFailures({ db, now }: Ctx): Promise<void> {
  await db
    .deleteFrom('login_failures')
    .where('since', '<=', now() - WINDOW_MS)
    .execute()
}
