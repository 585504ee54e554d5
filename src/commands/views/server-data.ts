import type { BackupReport, CheckReport, CollectReport, Finding } from '../../ports/server-data.ts'
import type { RecordView } from '../../terminal/records.ts'

export const FINDING_VIEW: RecordView<Finding> = {
  columns: [
    { header: 'Code', value: ({ code }) => code },
    { header: 'What', value: ({ subject }) => subject },
    { header: 'Problem', value: ({ problem }) => problem },
  ],
  id: ({ subject }) => subject,
}

/** Printed as a record only. */
export const CHECK_VIEW: RecordView<CheckReport> = { columns: [], id: () => '' }

/** Printed as a record only. */
export const BACKUP_VIEW: RecordView<BackupReport & { readonly folder: string }> = {
  columns: [],
  id: ({ folder }) => folder,
}

/** Printed as a record only. */
export const COLLECT_VIEW: RecordView<CollectReport & { readonly dryRun: boolean }> = {
  columns: [],
  id: () => '',
}
