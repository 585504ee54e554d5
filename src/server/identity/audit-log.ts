import { randomUUID } from 'node:crypto'
import type { AuditEntry, AuditPage, ListAuditQuery } from '../../contract/audit.ts'
import { DEFAULT_AUDIT_LIMIT } from '../../contract/audit.ts'
import type { ServerContext } from '../context.ts'
import type { AuditLogTable } from '../store/schema.ts'
import type { Principal } from './principal.ts'

/** Longer than any yearly review looks back. */
const KEPT_MS = 400 * 24 * 60 * 60 * 1000
/** About 200 MB: a client that pushes without an end must not fill the disk with it. */
const KEPT_ENTRIES = 1_000_000

export interface AuditRecord {
  readonly principal: Principal | null
  readonly action: string
  readonly target: string | null
  readonly requestId: string
  readonly address: string
}

/** Appends an entry. Entries are never changed. */
export async function recordAudit(
  { db, now }: Pick<ServerContext, 'db' | 'now'>,
  { principal, ...record }: AuditRecord,
): Promise<void> {
  const {
    organizationId = null,
    userId = null,
    userName = null,
    keyId = null,
    keyName = null,
  } = principal ?? {}
  await db
    .insertInto('audit_log')
    .values({ at: now(), organizationId, userId, userName, keyId, keyName, ...record })
    .execute()
}

export interface UserlessChange {
  /** `operator`: who has the data folder. `issuer`: by what the settings say of its users. Null: nobody knows. */
  readonly by: 'operator' | 'issuer' | null
  readonly action: string
  readonly target: string
  /** Slugs, or every organization that there is. */
  readonly organizations: readonly string[] | 'all'
  /** What it came with; absent: nothing but a command on this machine. */
  readonly request?: Pick<AuditRecord, 'requestId' | 'address'>
}

/** Where a command on this machine comes from. */
const LOCAL = 'local'

/** A change that no user of the server made: an entry in each organization that it concerns. */
export async function recordUserlessChange(
  { db, now }: Pick<ServerContext, 'db' | 'now'>,
  { by, action, target, organizations, request }: UserlessChange,
): Promise<void> {
  let concerned = db.selectFrom('organizations').select('id').orderBy('createdAt').orderBy('slug')
  if (organizations !== 'all') concerned = concerned.where('slug', 'in', [...organizations])
  const known = await concerned.execute()
  const ids = known.length > 0 ? known.map(({ id }) => id) : [null]
  const who = { userId: null, userName: by, keyId: null, keyName: null }
  const entries = ids.map((organizationId) => ({
    ...{ at: now(), organizationId, ...who, action, target },
    ...(request ?? { requestId: randomUUID(), address: LOCAL }),
  }))
  await db.insertInto('audit_log').values(entries).execute()
}

/** The organization's entries, newest first. */
export async function listAudit(
  { db }: Pick<ServerContext, 'db'>,
  { organizationId }: Principal,
  { limit = DEFAULT_AUDIT_LIMIT, action, target, user, since, cursor }: ListAuditQuery,
): Promise<AuditPage> {
  let query = db.selectFrom('audit_log').selectAll().where('organizationId', '=', organizationId)
  if (action?.includes('.')) query = query.where('action', '=', action)
  else if (action !== undefined) {
    query = query.where('action', '>=', `${action}.`).where('action', '<', `${action}/`)
  }
  if (target !== undefined) query = query.where('target', '=', target)
  if (user !== undefined) query = query.where('userName', '=', user)
  if (since !== undefined) query = query.where('at', '>=', Date.parse(since))
  if (cursor !== undefined) query = query.where('id', '<', cursor)
  // One more than asked for: whether there is a next page.
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute()
  const shown = rows.slice(0, limit)
  const hasNext = rows.length > limit
  return { items: shown.map(toEntry), nextCursor: hasNext ? String(shown.at(-1)!.id) : null }
}

/** Removes entries that are too old, and the oldest when there are too many. */
export async function removeOldAudit(
  { db, now }: Pick<ServerContext, 'db' | 'now'>,
  kept = KEPT_ENTRIES,
): Promise<void> {
  await db
    .deleteFrom('audit_log')
    .where('at', '<', now() - KEPT_MS)
    .execute()
  // Ids are given one after the other: to count the entries would mean to read all of them.
  await db
    .deleteFrom('audit_log')
    .where('id', '<=', ({ selectFrom }) =>
      selectFrom('audit_log').select(({ eb, fn }) => eb(fn.max('id'), '-', kept).as('last')),
    )
    .execute()
}

function toEntry(row: Omit<AuditLogTable, 'id'> & { id: number }): AuditEntry {
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    action: row.action,
    target: row.target,
    user: row.userName,
    key: row.keyName,
    requestId: row.requestId,
    address: row.address,
  }
}
