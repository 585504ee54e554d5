import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format, quiet } from '../options/output.ts'

interface ProfileRecord {
  readonly name: string
  readonly server: string
  readonly active: boolean
  readonly loggedIn: boolean
}

const VIEW: RecordView<ProfileRecord> = {
  columns: [
    { header: 'Profile', value: ({ name }) => name },
    { header: 'Server', value: ({ server }) => server },
    { header: 'Active', value: ({ active }) => active, human: ({ active }) => (active ? '*' : '') },
    {
      header: 'Key',
      value: ({ loggedIn }) => loggedIn,
      human: ({ loggedIn }) => (loggedIn ? 'stored' : '-'),
    },
  ],
  id: ({ name }) => name,
}

export default defineCommand({
  arguments: {},
  options: { format: format(), quiet },
  examples: ['imgctl profile list'],
  async run({ options }, { streams, profiles, credentials }) {
    const config = await profiles.read()
    const store = credentials()
    const records: ProfileRecord[] = []
    for (const [name, { server }] of config.profiles) {
      const loggedIn = (await store.read(name)) !== undefined
      records.push({ name, server, active: name === config.active, loggedIn })
    }
    await printRecords(streams.stdout, records, VIEW, options)
    if (records.length === 0 && options.format.kind === 'table') {
      streams.stderr.write('No profiles found\nMake one: imgctl login\n')
    }
  },
})
