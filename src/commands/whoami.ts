import { loginExpiry } from '../operations/login/expiry.ts'
import type { Session } from '../ports/credentials.ts'
import { printRecords, type RecordView } from '../terminal/records.ts'
import { defineCommand } from './command.ts'
import { format } from './options/output.ts'
import { minuteText } from './views/time.ts'

interface Identity {
  readonly user: string
  readonly email: string | null
  readonly organization: string
  readonly permissions: readonly string[]
  readonly keyName: string | null
  readonly server: string
  readonly profile: string | null
  readonly method: Session['method']
  /** Where the login is kept: keychain, file, or `environment` when nothing is stored. */
  readonly credentialStore: Session['origin']
  /** When the key or the access token ends; null: never, or not known. */
  readonly expiresAt: string | null
}

const VIEW: RecordView<Identity> = {
  columns: [
    { header: 'User', value: ({ user }) => user },
    { header: 'Organization', value: ({ organization }) => organization },
    { header: 'Server', value: ({ server }) => server },
    { header: 'Profile', value: ({ profile }) => profile },
    { header: 'Login', value: loginText },
    { header: 'Expires', value: ({ expiresAt }) => expiresAt, human: expiryText },
    {
      header: 'Permissions',
      value: ({ permissions }) => permissions.join(','),
      human: ({ permissions }) => permissions.join(', '),
    },
  ],
  id: ({ user }) => user,
}

export default defineCommand({
  description: `Asks the server who is logged in, and tells where the login is kept and when it ends. The access token of a login with a
browser or a code is renewed by itself.`,
  arguments: {},
  options: { format: format() },
  examples: ['imgctl whoami', "imgctl whoami --format '{{.Organization}}'"],
  async run({ options }, context) {
    const session = await context.session()
    const server = await context.server()
    const me = await server.me(context.signal)
    const identity: Identity = {
      user: me.name,
      email: me.email,
      organization: me.organization.slug,
      permissions: me.permissions,
      keyName: me.keyName,
      server: session.server,
      profile: session.profile ?? null,
      method: session.method,
      credentialStore: session.origin,
      expiresAt: await loginExpiry(session, me, server, context.signal),
    }
    await printRecords(context.streams.stdout, identity, VIEW, options)
  },
})

function loginText({ method, keyName, credentialStore }: Identity): string {
  return method === 'oauth' ? `OAuth (${credentialStore})` : `${keyName ?? 'unnamed'} (${credentialStore})`
}

function expiryText({ expiresAt, method }: Identity): string {
  if (expiresAt === null) return '-'
  return method === 'oauth' ? `${minuteText(expiresAt)}, renewed by itself` : minuteText(expiresAt)
}
