import type { ServerData } from '../ports/server-data.ts'

/** Writes down in the audit log of every organization what the operator did with the data of all of them. */
export type NoteRun = (action: string, target: string) => Promise<void>

/** The same data folder; each run on it is noted when it has ended well. A preview is none: it does nothing. */
export function auditedData(data: ServerData, note: NoteRun): ServerData {
  return {
    ...data,
    async check(options) {
      const report = await data.check(options)
      await note('server.check', `found wrong: ${report.findings.length}`)
      return report
    },
    async repair(options) {
      const report = await data.repair(options)
      await note('server.repair', `blobs forgotten: ${report.forgotten}`)
      return report
    },
    async backup(target, options) {
      const report = await data.backup(target, options)
      await note('server.backup', target)
      return report
    },
    async collect(signal) {
      const report = await data.collect(signal)
      await note('server.gc', `blobs removed: ${report.blobs}`)
      return report
    },
  }
}
