import type { PrunedCache } from '../../ports/blob-cache.ts'
import { humanBytes } from '../../terminal/humanize.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format } from '../options/output.ts'
import { olderThan } from '../options/until.ts'

const VIEW: RecordView<PrunedCache> = {
  columns: [
    { header: 'Layers', value: ({ layers }) => layers },
    { header: 'Images', value: ({ images }) => images },
    { header: 'Uploads', value: ({ uploads }) => uploads },
    { header: 'Freed', value: ({ freed }) => freed, human: ({ freed }) => humanBytes(freed) },
  ],
  id: ({ layers }) => String(layers),
}

export default defineCommand({
  description: `Forgets what pushes have learned, or what none used for a while. The next push of such an image reads and
compresses it again; nothing else is lost. Uploads that were broken off begin anew.`,
  arguments: {},
  options: {
    olderThan: olderThan('--older-than <age>', 'only what was not used for so long: 24h, 30d'),
    format: format(),
  },
  examples: ['imgctl cache prune', 'imgctl cache prune --older-than 30d'],
  async run({ options: { olderThan, format } }, { streams, cacheStore }) {
    const before = olderThan === undefined ? undefined : Date.now() - olderThan
    const pruned = await (await cacheStore()).prune(before)
    await printRecords(streams.stdout, pruned, VIEW, { format })
  },
})
