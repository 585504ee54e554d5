import type { Dispatcher } from 'undici'
import {
  apiKeyBearer,
  chosenOrganization,
  resolveLogin,
  resolveSession,
  resolveTarget,
  type SessionInput,
} from '../auth/session.ts'
import type { LoginParts, SessionParts } from '../commands/context.ts'
import { profileNameFor } from '../config/profiles.ts'
import type { Bearer } from '../ports/credentials.ts'
import { once } from './once.ts'

interface Connections {
  readonly userAgent: string
  readonly dispatcher: () => Promise<Dispatcher>
}

/** Reads config and logins when it is asked, and not before. */
export function createSessionParts(
  input: SessionInput,
  { profiles, logins }: Pick<LoginParts, 'profiles' | 'logins'>,
  { userAgent, dispatcher }: Connections,
): SessionParts {
  const organization = chosenOrganization(input)
  const open = async (server: string, bearer: Bearer | undefined, chosen: string | undefined) => {
    const [{ ServerClient }, { Transport }] = await Promise.all([
      import('../api/server-client.ts'),
      import('../api/transport.ts'),
    ])
    const connection = { userAgent, dispatcher: await dispatcher() }
    return new ServerClient(new Transport({ server, bearer, organization: chosen, ...connection }))
  }
  const session = once(async () =>
    resolveSession(input, {
      config: await profiles.read(),
      login: async (account) => (await logins()).find(account),
    }),
  )
  return {
    target: async () => resolveTarget(input, await profiles.read()),
    session,
    server: once(async () => {
      const { server, bearer, organization } = await session()
      return open(server, bearer, organization)
    }),
    connect: (server, token) =>
      open(server, token === undefined ? undefined : apiKeyBearer(token), organization),
    loginTarget: async () => resolveLogin(input, await profiles.readForLogin()),
    storeLogin: async (server, login, chosen) => {
      const profile = chosen ?? profileNameFor(server, await profiles.readForLogin())
      const place = await (await logins()).save({ profile, server }, login, organization)
      return { profile, place }
    },
  }
}
