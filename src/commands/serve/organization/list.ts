import { resolve } from 'node:path'
import { printRecords } from '../../../terminal/records.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { format, quiet } from '../../options/output.ts'
import { ORGANIZATION_VIEW } from '../../views/organization-record.ts'

export default defineCommand({
  description: 'Lists the organizations of a server, by its data folder. The server may run meanwhile.',
  arguments: {},
  options: { data, format: format(), quiet },
  examples: ['imgctl serve organization list'],
  async run({ options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await printRecords(streams.stdout, await users.organizations(), ORGANIZATION_VIEW, options)
  },
})
