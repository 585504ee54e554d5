import { resolve } from 'node:path'
import type { UserRecord } from '../../../ports/server-users.ts'
import { printRecords, type RecordView } from '../../../terminal/records.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { format, quiet } from '../../options/output.ts'

const VIEW: RecordView<UserRecord> = {
  columns: [
    { header: 'User', value: ({ login, id }) => login ?? id },
    { header: 'Name', value: ({ name }) => name },
    { header: 'State', value: ({ state }) => state },
    { header: 'Keys', value: ({ apiKeys }) => apiKeys, align: 'right' },
    {
      header: 'May',
      value: ({ memberships }) => rights(memberships),
      human: ({ memberships }) => rights(memberships) || '-',
    },
  ],
  id: ({ login, id }) => login ?? id,
}

/** `default: admin; team: read:images,write:images` */
function rights(memberships: UserRecord['memberships']): string {
  const each = memberships.map(({ organization, permissions }) => {
    const named = permissions.includes('admin') ? ['admin'] : permissions
    return `${organization}: ${named.join(',') || 'nothing'}`
  })
  return each.join('; ')
}

export default defineCommand({
  description: 'Lists who may log in to a server, by its data folder. The server may run meanwhile.',
  arguments: {},
  options: { data, format: format(), quiet },
  examples: ['imgctl serve user list', 'imgctl serve user list --format json'],
  async run({ options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await printRecords(streams.stdout, await users.list(), VIEW, options)
  },
})
