import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
}

const STATEMENTS = [
  `ALTER TABLE users ADD COLUMN "disabledAt" INTEGER`,
  `CREATE TABLE accounts (
    login TEXT PRIMARY KEY,
    "userId" TEXT NOT NULL UNIQUE REFERENCES users(id) ON DELETE CASCADE,
    "passwordHash" TEXT)`,
  // The administrator of a server that is older than logins gets one too.
  `INSERT INTO accounts (login, "userId", "passwordHash")
    SELECT lower(name), MIN(id), NULL FROM users GROUP BY lower(name)`,
  `CREATE TABLE identities (
    issuer TEXT NOT NULL, subject TEXT NOT NULL,
    "userId" TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE, PRIMARY KEY (issuer, subject))`,
  `CREATE INDEX identities_user ON identities ("userId")`,
  `CREATE TABLE setup_links (
    hash TEXT PRIMARY KEY, "userId" TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    "expiresAt" INTEGER NOT NULL)`,
  `CREATE TABLE login_failures (bucket TEXT PRIMARY KEY, failures INTEGER NOT NULL, since INTEGER NOT NULL)`,
  `CREATE TABLE signing_keys (kid TEXT PRIMARY KEY, sealed TEXT NOT NULL, "createdAt" INTEGER NOT NULL)`,
  `CREATE TABLE issuer_records (
    model TEXT NOT NULL, id TEXT NOT NULL, sealed TEXT NOT NULL,
    "grantId" TEXT, uid TEXT, "userCode" TEXT, "accountId" TEXT,
    "consumedAt" INTEGER, "expiresAt" INTEGER, PRIMARY KEY (model, id))`,
  `CREATE INDEX issuer_records_grant ON issuer_records ("grantId")`,
  `CREATE INDEX issuer_records_uid ON issuer_records (uid)`,
  `CREATE INDEX issuer_records_code ON issuer_records ("userCode")`,
  `CREATE INDEX issuer_records_account ON issuer_records ("accountId")`,
  `CREATE INDEX issuer_records_expiry ON issuer_records ("expiresAt")`,
  `CREATE TABLE server_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
]
