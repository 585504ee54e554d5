import { join } from 'node:path'
import { Kysely, Migrator } from 'kysely'
import { expect, it } from 'vitest'
import { findAccount } from '../../../src/server/identity/accounts.ts'
import { removeOldLogins } from '../../../src/server/identity/old-logins.ts'
import { openDatabase } from '../../../src/server/store/database.ts'
import * as initial from '../../../src/server/store/migrations/001-initial.ts'
import { sqliteDialect } from '../../../src/server/store/sqlite.ts'
import { temporaryFolder } from '../../config/temporary-folder.ts'
import { Browser } from '../issuer/browser.ts'
import { authorizationRequest, openIssuer } from '../issuer/open-issuer.ts'

const DAY_MS = 24 * 3_600_000

it('removes what has expired, and nothing that is in use', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const { db } = open.server.context
  const models = async () => {
    const rows = await db.selectFrom('issuer_records').select('model').execute()
    return rows.map(({ model }) => model).sort()
  }
  const tokens = await open.logIn('alice')
  await new Browser().get(authorizationRequest(open).url)
  expect(await models()).toContain('Interaction')
  open.advance(DAY_MS)
  await removeOldLogins(open.server.context)
  expect(await models()).toEqual(['Grant', 'RefreshToken'])
  expect(await db.selectFrom('setup_links').selectAll().execute()).toEqual([])
  expect((await open.refresh(tokens.refresh_token)).status).toBe(200)
  open.advance(90 * DAY_MS)
  await removeOldLogins(open.server.context)
  expect(await models()).toEqual(['Grant'])
  open.advance(275 * DAY_MS)
  await removeOldLogins(open.server.context)
  expect(await models()).toEqual([])
})

it('gives the administrator of an older server an account', async () => {
  const file = join(temporaryFolder(), 'imgctl.db')
  // biome-ignore lint/suspicious/noExplicitAny: tables of an older version
  const old = new Kysely<any>({ dialect: sqliteDialect(file) })
  const getMigrations = async () => ({ '001-initial': initial })
  const { error } = await new Migrator({ db: old, provider: { getMigrations } }).migrateToLatest()
  expect(error).toBeUndefined()
  for (const [id, name] of [
    ['1', 'Administrator'],
    ['2', 'someone'],
    ['3', 'Someone'],
  ]) {
    await old.insertInto('users').values({ id, name, email: null, createdAt: 1 }).execute()
  }
  await old.destroy()
  const db = await openDatabase(file)
  expect(await findAccount({ db }, 'administrator')).toMatchObject({ userId: '1', passwordHash: null })
  expect(await findAccount({ db }, 'someone')).toMatchObject({ userId: '2' })
  await db.destroy()
})
