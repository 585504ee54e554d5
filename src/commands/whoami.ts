import { printRecords, type RecordView } from '../terminal/records.ts'
import { defineCommand } from './command.ts'
import { format } from './options/output.ts'

interface Identity {
  readonly user: string
  readonly email: string | null
  readonly organization: string
  readonly permissions: readonly string[]
  readonly keyName: string | null
  readonly server: string
  readonly profile: string | null
  /** Where the key came from: environment, file or keychain. */
  readonly keyOrigin: string
}

const VIEW: RecordView<Identity> = {
  columns: [
    { header: 'User', value: ({ user }) => user },
    { header: 'Organization', value: ({ organization }) => organization },
    { header: 'Server', value: ({ server }) => server },
    { header: 'Profile', value: ({ profile }) => profile },
    { header: 'Key', value: ({ keyName, keyOrigin }) => `${keyName ?? 'unnamed'} (${keyOrigin})` },
    { header: 'Permissions', value: ({ permissions }) => permissions.join(',') },
  ],
  id: ({ user }) => user,
}

export default defineCommand({
  description: 'Asks the server who the key in use belongs to, and tells where that key came from.',
  arguments: {},
  options: { format: format() },
  examples: ['imgctl whoami', "imgctl whoami --format '{{.Organization}}'"],
  async run({ options }, { streams, session, server, signal }) {
    const { origin, profile, ...rest } = await session()
    const me = await (await server()).me(signal)
    const identity: Identity = {
      user: me.name,
      email: me.email,
      organization: me.organization.slug,
      permissions: me.permissions,
      keyName: me.keyName,
      server: rest.server,
      profile: profile ?? null,
      keyOrigin: origin,
    }
    await printRecords(streams.stdout, identity, VIEW, options)
  },
})
