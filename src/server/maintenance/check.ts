import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { isCode } from '../../errors/error.ts'
import type { CheckReport, Finding, WorkOptions } from '../../ports/server-data.ts'
import { KEY_FILE, openKeys } from '../identity/keys.ts'
import type { Db } from '../store/database.ts'
import { checkBlobs, checkOrphans } from './check-files.ts'
import { checkRecords } from './check-records.ts'

export interface CheckOptions extends WorkOptions {
  /** Files that nothing knows are a finding when they were last written before: milliseconds since 1970. */
  readonly orphansBefore: number
}

/** Checks a data folder as a whole. Changes nothing; the server may run. */
export async function checkData(db: Db, dataDir: string, options: CheckOptions): Promise<CheckReport> {
  const records = [
    ...(await db.transaction().execute((trx) => checkRecords(trx))),
    ...(await checkKeys(db, dataDir)),
  ]
  const orphans = await checkOrphans(db, dataDir, options.orphansBefore)
  const { findings, blobs, bytes } = await checkBlobs(db, dataDir, options)
  const count = async (table: 'manifests' | 'tags' | 'images') => {
    const query = db.selectFrom(table).select(({ fn }) => fn.countAll<number>().as('rows'))
    return (await query.executeTakeFirstOrThrow()).rows
  }
  return {
    findings: [...records, ...findings, ...orphans],
    blobs,
    bytes,
    manifests: await count('manifests'),
    tags: await count('tags'),
    images: await count('images'),
  }
}

/** The key file is there, and is the one that the database's secrets were sealed with. */
async function checkKeys(db: Db, dataDir: string): Promise<Finding[]> {
  const subject = KEY_FILE
  try {
    // openKeys would make one.
    await access(join(dataDir, KEY_FILE))
  } catch {
    return [{ code: 'KEYS_MISSING', subject, problem: 'stored registry passwords cannot be read without it' }]
  }
  try {
    const keys = await openKeys(dataDir)
    const sealed = await db.selectFrom('registries').select('sealedPassword').execute()
    for (const { sealedPassword } of sealed) keys.unseal(sealedPassword)
    return []
  } catch (error) {
    if (!isCode(error, 'FILE_UNREADABLE') && !isCode(error, 'INTERNAL')) throw error
    return [{ code: 'KEYS_WRONG', subject, problem: error.message }]
  }
}
