import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

/** Each index ends with the row's id, the order in which entries are listed. */
const STATEMENTS = [
  `CREATE INDEX audit_log_target ON audit_log ("organizationId", target)`,
  `CREATE INDEX audit_log_user ON audit_log ("organizationId", "userName")`,
  `ALTER TABLE organizations ADD COLUMN "storageQuota" INTEGER`,
]
