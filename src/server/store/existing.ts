import { access } from 'node:fs/promises'
import { Kysely, sql } from 'kysely'
import { ImgctlError } from '../../errors/error.ts'
import { type Db, MIGRATION_NAMES } from './database.ts'
import type { Database } from './schema.ts'
import { sqliteDialect } from './sqlite.ts'

/** Opens the database file of a server, which may be running, to read it. @throws as openExisting */
export function openReadOnly(file: string): Promise<Db> {
  return openExisting(file, { readOnly: true })
}

/**
 * Opens the database file of a server, which may be running: it is not made, and not brought up to date.
 *
 * @throws ImgctlError FILE_NOT_FOUND when there is none; FILE_UNREADABLE when it is damaged or of another version
 */
export async function openExisting(
  file: string,
  options: { readonly readOnly: boolean } = { readOnly: false },
): Promise<Db> {
  await access(file).catch((cause: unknown) => {
    throw new ImgctlError('FILE_NOT_FOUND', `no server keeps its data here: there is no ${file}`, {
      hint: 'name the data folder with --data',
      cause,
    })
  })
  let db: Db | undefined
  try {
    db = new Kysely<Database>({ dialect: sqliteDialect(file, options) })
    const { rows } = await sql<{ name: string }>`SELECT name FROM kysely_migration ORDER BY name`.execute(db)
    if (rows.map(({ name }) => name).join() === MIGRATION_NAMES.join()) return db
  } catch (cause) {
    await db?.destroy()
    throw unreadable(file, 'it is damaged; restore a backup', cause)
  }
  await db.destroy()
  throw unreadable(
    file,
    'another version of imgctl wrote it: use that one, or start the server once with this one',
  )
}

function unreadable(file: string, hint: string, cause?: unknown): ImgctlError {
  return new ImgctlError('FILE_UNREADABLE', `the server's database cannot be read: ${file}`, { hint, cause })
}
