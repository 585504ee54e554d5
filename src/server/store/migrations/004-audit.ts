import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

/** Names as they were then, and no foreign keys: an entry outlives what it tells of. */
const STATEMENTS = [
  `CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, "organizationId" TEXT,
    "userId" TEXT, "userName" TEXT, "keyId" TEXT, "keyName" TEXT,
    action TEXT NOT NULL, target TEXT, "requestId" TEXT NOT NULL, address TEXT NOT NULL)`,
  `CREATE INDEX audit_log_organization ON audit_log ("organizationId", id)`,
  `CREATE INDEX audit_log_at ON audit_log (at)`,
]
