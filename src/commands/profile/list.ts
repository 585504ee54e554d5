import { printRecords, type RecordView } from '../../terminal/records.ts'
import { defineCommand } from '../command.ts'
import { format, quiet } from '../options/output.ts'

interface ProfileRecord {
  readonly name: string
  readonly server: string
  readonly active: boolean
  readonly loggedIn: boolean
  /** Where the login is kept. */
  readonly credentialStore: 'keychain' | 'file' | null
  readonly organization: string | null
}

const VIEW: RecordView<ProfileRecord> = {
  columns: [
    { header: 'Profile', value: ({ name }) => name },
    { header: 'Server', value: ({ server }) => server },
    { header: 'Active', value: ({ active }) => active, human: ({ active }) => (active ? '*' : '') },
    {
      header: 'Login',
      value: ({ loggedIn }) => loggedIn,
      human: ({ credentialStore }) => credentialStore ?? '-',
    },
  ],
  id: ({ name }) => name,
}

export default defineCommand({
  arguments: {},
  options: { format: format(), quiet },
  examples: ['imgctl profile list'],
  async run({ options }, { streams, profiles }) {
    const config = await profiles.read()
    const records: ProfileRecord[] = []
    for (const [name, { server, credential, organization }] of config.profiles) {
      const loggedIn = credential !== undefined
      const active = name === config.active
      const login = { credentialStore: credential ?? null, organization: organization ?? null }
      records.push({ name, server, active, loggedIn, ...login })
    }
    await printRecords(streams.stdout, records, VIEW, options)
    if (records.length === 0 && options.format.kind === 'table') {
      streams.stderr.write('No profiles found\nMake one: imgctl login\n')
    }
  },
})
