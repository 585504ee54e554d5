import { resolve } from 'node:path'
import { ImgctlError } from '../../errors/error.ts'
import type { CheckReport } from '../../ports/server-data.ts'
import { createProgress } from '../../terminal/create-progress.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { data } from '../options/data-folder.ts'
import { flag } from '../options/kinds.ts'
import { format, progress } from '../options/output.ts'
import { CHECK_VIEW, FINDING_VIEW } from '../views/server-data.ts'

export default defineCommand({
  description: `Finds out whether a data folder is whole: reads and hashes every blob and manifest, and compares what the
database says with what is there. It changes nothing but the audit log, and the server may run meanwhile. Each thing that
is wrong is a line on stdout; then the exit code is 5. --repair, with the server stopped, forgets blobs that are missing
or damaged: until then the server says that it has them, and no client sends them again.`,
  arguments: {},
  options: {
    data,
    repair: flag('--repair', 'forget blobs that are missing or damaged, so that the next push sends them'),
    format: format(),
    progress,
  },
  examples: [
    'imgctl serve check',
    'imgctl serve check --data /srv/imgctl --format json',
    'imgctl serve check --repair',
  ],
  async run({ options }, { streams, signal, serverData, serverDataDir }) {
    const dataDir = resolve(options.data ?? serverDataDir)
    const bar = createProgress(options.progress, streams)
    let report: CheckReport & { readonly forgotten?: number }
    try {
      const folder = await serverData(dataDir)
      bar.phase('check')
      const onProgress = (done: number, total: number) => bar.item('blobs', 'blobs', done, total)
      const work = { signal, onProgress }
      report = options.repair ? await folder.repair(work) : await folder.check(work)
    } finally {
      bar.finish()
    }
    const { findings, forgotten = 0 } = report
    const isTable = options.format.kind === 'table'
    if (isTable) await printRecords(streams.stdout, findings, FINDING_VIEW, options)
    else await printRecords(streams.stdout, report, CHECK_VIEW, options)
    if (isTable && options.progress !== 'none') streams.stderr.write(`Checked ${summary(report)}\n`)
    if (forgotten > 0) {
      streams.stderr.write(
        `Forgot ${forgotten} blobs: start the server, then push again what imgctl image list --state error shows\n`,
      )
    }
    const left = findings.length - forgotten
    if (left === 0) return
    throw new ImgctlError(
      'DATA_DAMAGED',
      `${left === 1 ? '1 thing is' : `${left} things are`} wrong in ${dataDir}`,
      {
        hint: 'restore a backup; or for missing and damaged blobs stop the server and run: imgctl serve check --repair',
      },
    )
  },
})

function summary({ blobs, bytes, manifests, tags, images }: CheckReport): string {
  return `${blobs} blobs (${humanBytes(bytes)}), ${manifests} manifests, ${tags} tags and ${images} images`
}
