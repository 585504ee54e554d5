import { humanAge, humanBytes } from '../../terminal/humanize.ts'
import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format } from '../options/output.ts'

/** Sizes are bytes, times RFC 3339. */
interface CacheRecord {
  readonly folder: string
  readonly layers: number
  readonly images: number
  /** Uploads that were broken off and can be gone on with. */
  readonly uploads: number
  readonly size: number
  readonly oldest: string | null
}

function view(now: number): RecordView<CacheRecord> {
  return {
    columns: [
      { header: 'Folder', value: ({ folder }) => folder },
      { header: 'Layers', value: ({ layers }) => layers },
      { header: 'Images', value: ({ images }) => images },
      { header: 'Uploads', value: ({ uploads }) => uploads },
      { header: 'Size', value: ({ size }) => size, human: ({ size }) => humanBytes(size) },
      {
        header: 'Oldest',
        value: ({ oldest }) => oldest,
        human: ({ oldest }) => (oldest ? humanAge(oldest, now) : '-'),
      },
    ],
    id: ({ folder }) => folder,
  }
}

export default defineCommand({
  description: `Shows what pushes have learned: which blobs the layers of images became, and where these are. A push of
what is known reads no layer. The cache may be deleted at any time.`,
  arguments: {},
  options: { format: format() },
  examples: ['imgctl cache info', 'imgctl cache info --format json'],
  async run({ options }, { streams, cacheStore }) {
    const { oldest, ...info } = await (await cacheStore()).info()
    const record = { ...info, oldest: oldest === undefined ? null : new Date(oldest).toISOString() }
    await printRecords(streams.stdout, record, view(Date.now()), options)
  },
})
