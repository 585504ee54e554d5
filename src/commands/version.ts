import { printRecords, type RecordView } from '../terminal/records.ts'
import { defineCommand } from './command.ts'
import { format } from './options/output.ts'

interface Versions {
  readonly version: string
  readonly node: string
  readonly platform: string
}

const VIEW: RecordView<Versions> = {
  columns: [
    { header: 'Version', value: ({ version }) => version },
    { header: 'Node', value: ({ node }) => node },
    { header: 'Platform', value: ({ platform }) => platform },
  ],
  id: ({ version }) => version,
}

export default defineCommand({
  arguments: {},
  options: { format: format() },
  examples: ['imgctl version', 'imgctl version --format json'],
  run: ({ options }, { streams, version, runtime }) =>
    printRecords(streams.stdout, { version, ...runtime }, VIEW, options),
})
