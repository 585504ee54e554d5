import { join, resolve } from 'node:path'
import { isCode } from '../errors/error.ts'
import type { ServerData } from '../ports/server-data.ts'
import { auditedData, type NoteRun } from './audited-data.ts'
import { Closing } from './closing.ts'
import { cleanUp } from './content/janitor.ts'
import { previewCollection } from './content/preview.ts'
import { openReserve } from './content/reserve.ts'
import type { ServerContext } from './context.ts'
import { collectThroughServer } from './control.ts'
import { recordUserlessChange } from './identity/audit-log.ts'
import { isBackup } from './identity/server-facts.ts'
import { createLog } from './log.ts'
import { backUp } from './maintenance/backup.ts'
import { checkData } from './maintenance/check.ts'
import { forgetDamagedBlobs, requireBlobsFolder } from './maintenance/repair.ts'
import { openContext } from './open-context.ts'
import { type ChosenSettings, serverSettings } from './settings.ts'
import { DATABASE_FILE, type Db } from './store/database.ts'
import { openExisting, openReadOnly } from './store/existing.ts'

/**
 * The data folder of a server, for the operator's commands.
 *
 * @param parts.now the clock, milliseconds since 1970
 * @param parts.warn is told what goes wrong beside the work itself
 */
export function openServerData(
  chosen: ChosenSettings,
  { now = Date.now, warn = () => {} }: { now?: () => number; warn?: (message: string) => void } = {},
): ServerData {
  const settings = serverSettings({ logLevel: 'silent', ...chosen })
  const { dataDir, graceMs } = settings
  const reading = async <T>(action: (db: Db) => Promise<T>): Promise<T> => {
    const db = await openReadOnly(join(dataDir, DATABASE_FILE))
    try {
      return await action(db)
    } finally {
      await db.destroy()
    }
  }
  /** With the folder for this process alone. */
  const owning = async <T>(action: (ctx: ServerContext) => Promise<T>): Promise<T> => {
    // Before the lock, which would make a folder of a mistyped name.
    await reading(async () => {})
    const closing = new Closing()
    try {
      const log = createLog(settings.logLevel)
      const parts = { now, log, wakeReconciler: () => {}, origin: () => undefined }
      return await action(await openContext(settings, parts, closing))
    } finally {
      await closing.close()
    }
  }
  const note: NoteRun = async (action, target) => {
    try {
      // A backup stays what it was until a server starts on it.
      if (await reading(isBackup)) return
      const db = await openExisting(join(dataDir, DATABASE_FILE))
      try {
        const reserve = await openReserve(dataDir)
        const change = { by: 'operator', action, target, organizations: 'all' } as const
        await reserve.use(() => recordUserlessChange({ db, now }, change))
      } finally {
        await db.destroy()
      }
    } catch (error) {
      // The work is done: to fail now would be wrong.
      warn(`The audit log of ${dataDir} could not be written: ${String((error as Error).message)}`)
    }
  }
  const data: ServerData = {
    check: (options) =>
      reading((db) => checkData(db, dataDir, { ...options, orphansBefore: now() - graceMs })),
    backup: (target, options) => reading((db) => backUp(db, dataDir, resolve(target), { ...options, now })),
    previewCollection: () => reading((db) => previewCollection(db, now(), now() - graceMs)),
    async repair(options) {
      await reading(() => requireBlobsFolder(dataDir))
      return owning(async (ctx) => {
        const report = await checkData(ctx.db, dataDir, { ...options, orphansBefore: now() - graceMs })
        return { ...report, forgotten: await forgetDamagedBlobs(ctx.db, dataDir, report.findings, now()) }
      })
    },
    async collect(signal) {
      try {
        return await owning((ctx) => cleanUp(ctx, { orphansToo: true }))
      } catch (error) {
        if (!isCode(error, 'CONFLICT')) throw error
        return collectThroughServer(dataDir, signal)
      }
    },
  }
  return auditedData(data, note)
}
