import { resolve } from 'node:path'
import { ImgctlError } from '../../errors/error.ts'
import type { CheckReport } from '../../ports/server-data.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { createProgress } from '../../terminal/progress.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { data } from '../options/data-folder.ts'
import { format, progress } from '../options/output.ts'
import { CHECK_VIEW, FINDING_VIEW } from '../views/server-data.ts'

export default defineCommand({
  description: `Finds out whether a data folder is whole: reads and hashes every blob and manifest, and compares what the
database says with what is there. It changes nothing, and the server may run meanwhile. Each thing that is wrong is a line
on stdout; then the exit code is 5.`,
  arguments: {},
  options: { data, format: format(), progress },
  examples: ['imgctl serve check', 'imgctl serve check --data /srv/imgctl --format json'],
  async run({ options }, { streams, signal, serverData, serverDataDir }) {
    const dataDir = resolve(options.data ?? serverDataDir)
    const bar = createProgress(options.progress, streams)
    let report: CheckReport
    try {
      const folder = await serverData(dataDir)
      bar.phase('check')
      const onProgress = (done: number, total: number) => bar.item('blobs', 'blobs', done, total)
      report = await folder.check({ signal, onProgress })
    } finally {
      bar.finish()
    }
    const { findings } = report
    const isTable = options.format.kind === 'table'
    if (isTable) await printRecords(streams.stdout, findings, FINDING_VIEW, options)
    else await printRecords(streams.stdout, report, CHECK_VIEW, options)
    if (isTable && options.progress !== 'none') streams.stderr.write(`Checked ${summary(report)}\n`)
    if (findings.length === 0) return
    const count = findings.length === 1 ? '1 thing is wrong' : `${findings.length} things are wrong`
    throw new ImgctlError('DATA_DAMAGED', `${count} in ${dataDir}`, {
      hint: 'push what is damaged again after deleting it, or restore a backup',
    })
  },
})

function summary({ blobs, bytes, manifests, tags, images }: CheckReport): string {
  return `${blobs} blobs (${humanBytes(bytes)}), ${manifests} manifests, ${tags} tags and ${images} images`
}
