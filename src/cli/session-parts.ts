import type { Dispatcher } from 'undici'
import type { NewLogin } from '../auth/login-store.ts'
import {
  apiKeyBearer,
  chosenOrganization,
  resolveLogin,
  resolveSession,
  resolveTarget,
  type SessionInput,
  type Target,
} from '../auth/session.ts'
import { profileNameFor } from '../config/profiles.ts'
import type { Bearer, CredentialPlace, Session } from '../ports/credentials.ts'
import type { Server } from '../ports/server.ts'
import type { LoginParts } from './login-parts.ts'
import { once } from './once.ts'

/** Which server a command talks to, and as whom. */
export interface SessionParts {
  /** The server that is meant, whether anybody is logged in to it or not. */
  readonly target: () => Promise<Target>
  /** @throws ImgctlError AUTH_REQUIRED when there is no login for the server that is meant */
  readonly session: () => Promise<Session>
  /** The API of the server that is meant, with the session's key or token. */
  readonly server: () => Promise<Server>
  /** The API of any server with any key or token, and the organization that was named for this command. */
  readonly connect: (server: string, token: string | undefined) => Promise<Server>
  /** Where a login goes: the server, and the profile that it makes or changes. */
  readonly loginTarget: () => Promise<{ readonly server: string; readonly profile: string }>
  /** Keeps a login that the server accepted, and makes its profile the active one. */
  readonly storeLogin: (
    server: string,
    login: NewLogin,
    profile?: string,
  ) => Promise<{ readonly profile: string; readonly place: CredentialPlace }>
}

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
