import { resolve } from 'node:path'
import type { BackupReport } from '../../ports/server-data.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { data } from '../options/data-folder.ts'
import { required } from '../options/kinds.ts'
import { format, progress } from '../options/output.ts'
import { BACKUP_VIEW } from '../views/server-data.ts'

/** Ctrl-C removes what was written so far: very many links take seconds. */
const STOP_WITHIN_MS = 30_000

export default defineCommand({
  description: `Copies a data folder as it is at one moment, while the server runs: the database, the keys and every blob.
On the same file system blobs are hard links, which need no space. To restore, start a server on the backup, or on a copy
of it: imgctl serve --data DIR. The backup holds the server's keys: keep it as private as the folder itself.`,
  arguments: { folder: required('<dir>', 'where to; a folder that is not there yet, or is empty') },
  options: { data, format: format(), progress },
  examples: [
    'imgctl serve backup /backup/imgctl-monday',
    'imgctl serve backup --data /srv/imgctl /backup/imgctl-$(date +%F)',
  ],
  stopWithinMs: STOP_WITHIN_MS,
  async run({ args, options }, { streams, signal, serverData, serverDataDir }) {
    const target = resolve(args.folder)
    const bar = createProgress(options.progress, streams)
    let report: BackupReport
    try {
      const folder = await serverData(resolve(options.data ?? serverDataDir))
      bar.phase('copy')
      const onProgress = (done: number, total: number) => bar.item('blobs', 'blobs', done, total)
      report = await folder.backup(target, { signal, onProgress })
    } finally {
      bar.finish()
    }
    const record = { folder: target, ...report }
    if (options.format.kind !== 'table') return printRecords(streams.stdout, record, BACKUP_VIEW, options)
    streams.stdout.write(`${target}\n`)
    if (options.progress === 'none') return
    const { blobs, bytes, copiedBytes } = report
    const shared = copiedBytes < bytes ? `, ${humanBytes(bytes - copiedBytes)} of it as hard links` : ''
    streams.stderr.write(
      `Backed up ${blobs} blobs (${humanBytes(bytes)}${shared}), the database and the keys\n`,
    )
  },
})
