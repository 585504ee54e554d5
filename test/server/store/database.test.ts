import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kysely, Migrator, sql } from 'kysely'
import { expect, it, onTestFinished } from 'vitest'
import { type Db, MIGRATION_NAMES, openDatabase } from '../../../src/server/store/database.ts'
import { openReadOnly } from '../../../src/server/store/existing.ts'
import * as initial from '../../../src/server/store/migrations/001-initial.ts'
import { sqliteDialect } from '../../../src/server/store/sqlite.ts'

async function newFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-database-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'imgctl.db')
}

async function open(file: string): Promise<Db> {
  const db = await openDatabase(file)
  onTestFinished(() => db.destroy())
  return db
}

function execute(file: string, statements: string): void {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
}

/** As the first version left it: one migration done, one organization. */
async function makeOld(file: string): Promise<void> {
  const db = new Kysely<unknown>({ dialect: sqliteDialect(file) })
  const provider = { getMigrations: async () => ({ '001-initial': initial }) }
  expect((await new Migrator({ db, provider }).migrateToLatest()).error).toBeUndefined()
  await db.destroy()
  execute(
    file,
    `INSERT INTO organizations (id, slug, name, "imageQuota", "createdAt") VALUES ('1', 'default', 'D', 1, 1)`,
  )
}

it('leaves an old database as it was when the upgrade is cut off, and upgrades it the next time', async () => {
  const file = await newFile()
  await makeOld(file)
  // In the middle of a migration something is in the way.
  execute(file, 'CREATE TABLE signing_keys (x)')
  await expect(openDatabase(file)).rejects.toThrow('already exists')
  execute(file, 'DROP TABLE signing_keys')
  const db = await open(file)
  const done = await sql<{ name: string }>`SELECT name FROM kysely_migration ORDER BY name`.execute(db)
  expect(done.rows.map(({ name }) => name)).toEqual(MIGRATION_NAMES)
  expect(await db.selectFrom('organizations').select(['slug', 'storedBytes']).execute()).toEqual([
    { slug: 'default', storedBytes: 0 },
  ])
})

it('lets nobody write between what a transaction reads and what it writes', async () => {
  const file = await newFile()
  const db = await open(file)
  const others: string[] = []
  await db.transaction().execute(async (trx) => {
    await trx.selectFrom('server_facts').selectAll().execute()
    try {
      execute(file, "INSERT INTO server_facts (name, value) VALUES ('b', 'other')")
    } catch (error) {
      others.push((error as Error).message)
    }
    await trx.insertInto('server_facts').values({ name: 'a', value: 'mine' }).execute()
  })
  expect(others).toEqual(['database is locked'])
  const facts = await db.selectFrom('server_facts').selectAll().execute()
  expect(facts).toEqual([{ name: 'a', value: 'mine' }])
})

it('reads in a transaction without keeping others from writing', async () => {
  const file = await newFile()
  await (await openDatabase(file)).destroy()
  const db = await openReadOnly(file)
  onTestFinished(() => db.destroy())
  await db.transaction().execute(async (trx) => {
    await trx.selectFrom('server_facts').selectAll().execute()
    execute(file, "INSERT INTO server_facts (name, value) VALUES ('b', 'other')")
    expect(await trx.selectFrom('server_facts').selectAll().execute()).toEqual([])
  })
})
