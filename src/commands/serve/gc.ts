import { resolve } from 'node:path'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { data } from '../options/data-folder.ts'
import { flag } from '../options/kinds.ts'
import { format } from '../options/output.ts'
import { COLLECT_VIEW } from '../views/server-data.ts'

export default defineCommand({
  description: `Removes what nothing needs any more and no push relied on for a day: manifests without a name, their blobs,
and uploads that were never finished. The server does so by itself every ten minutes; this does it now. A server that runs
is asked to do it, by way of its data folder.`,
  arguments: {},
  options: { data, dryRun: flag('--dry-run', 'only show what would go'), format: format() },
  examples: ['imgctl serve gc --dry-run', 'imgctl serve gc --data /srv/imgctl'],
  async run({ options }, { streams, signal, serverData, serverDataDir }) {
    const folder = await serverData(resolve(options.data ?? serverDataDir))
    const { dryRun } = options
    const report = dryRun ? await folder.previewCollection() : await folder.collect(signal)
    if (options.format.kind !== 'table') {
      return printRecords(streams.stdout, { dryRun, ...report }, COLLECT_VIEW, options)
    }
    const { uploads, manifests, blobs, bytes } = report
    const what = `${manifests} manifests, ${blobs} blobs (${humanBytes(bytes)}) and ${uploads} uploads`
    streams.stdout.write(`${dryRun ? 'Would remove' : 'Removed'} ${what}\n`)
  },
})
