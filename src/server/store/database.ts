import { Kysely, type Migration, Migrator, type Transaction } from 'kysely'
import * as initial from './migrations/001-initial.ts'
import * as login from './migrations/002-login.ts'
import * as storedBytes from './migrations/003-stored-bytes.ts'
import * as audit from './migrations/004-audit.ts'
import * as imageLabels from './migrations/005-image-labels.ts'
import * as operator from './migrations/006-operator.ts'
import type { Database } from './schema.ts'
import { sqliteDialect } from './sqlite.ts'

export type Db = Kysely<Database>
/** Inside `db.transaction()` use only this: there is one connection, and `db` would wait for it for ever. */
export type Trx = Transaction<Database>

/** Its name in the data folder, and in a backup of that. */
export const DATABASE_FILE = 'imgctl.db'

/** In the order of their names; one that has been released is never changed. */
const MIGRATIONS: Record<string, Migration> = {
  '001-initial': initial,
  '002-login': login,
  '003-stored-bytes': storedBytes,
  '004-audit': audit,
  '005-image-labels': imageLabels,
  '006-operator': operator,
}

/** What an up-to-date database says of itself. */
export const MIGRATION_NAMES: readonly string[] = Object.keys(MIGRATIONS).sort()

/** Opens the database file (created when absent) and brings its tables up to date. */
export async function openDatabase(file: string): Promise<Db> {
  const db = new Kysely<Database>({ dialect: sqliteDialect(file) })
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => MIGRATIONS },
    // They do not build on each other, and branches land in any order.
    allowUnorderedMigrations: true,
  })
  const { error } = await migrator.migrateToLatest()
  if (error) {
    await db.destroy()
    throw error
  }
  return db
}
