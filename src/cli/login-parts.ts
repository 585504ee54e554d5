import type { Dispatcher } from 'undici'
import type { OAuthCalls } from '../auth/login-store.ts'
import type { OAuthBearerOptions } from '../auth/oauth/oauth-bearer.ts'
import type { LoginParts } from '../commands/context.ts'
import { cacheDir, configDir } from '../config/paths.ts'
import { ProfileStore } from '../config/profiles.ts'
import { once } from './once.ts'

interface LoginHost {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Tells the user what is no failure and should be known. */
  readonly warn: (text: string) => void
  readonly userAgent: string
  readonly dispatcher: () => Promise<Dispatcher>
}

/** Profiles, credentials and issuers, put together; what costs something is loaded when it is asked for. */
export function createLoginParts({ environment, warn, userAgent, dispatcher }: LoginHost): LoginParts {
  const folder = configDir(environment)
  const onBackup = (file: string, backup: string) =>
    warn(`${file} could not be read; it is kept as ${backup}`)
  const profiles = new ProfileStore(folder, onBackup)
  const http = async () => ({ dispatcher: await dispatcher(), userAgent })
  const keychain = once(async () => {
    const { KeychainStore } = await import('../auth/keychain/keychain-store.ts')
    return new KeychainStore({ environment })
  })
  const oauth = async (): Promise<OAuthCalls> => {
    const [{ OAuthBearer }, { refreshLogin, revokeLogin }] = await Promise.all([
      import('../auth/oauth/oauth-bearer.ts'),
      import('../auth/oauth/refresh.ts'),
    ])
    const ready = await http()
    return {
      bearer: (parts, current) => {
        const { server } = parts.account
        const options: OAuthBearerOptions = {
          ...parts,
          refresh: (credential, signal) => refreshLogin(credential, server, ready, signal),
        }
        return new OAuthBearer(options, current)
      },
      revoke: (credential, server, signal) => revokeLogin(credential, server, ready, signal),
    }
  }
  let fallbackTold = false
  const onFallback = (path: string, reason: Error) => {
    if (fallbackTold) return
    fallbackTold = true
    warn(`${reason.message}; the login is kept in ${path}, which only you can read`)
  }
  const logins = once(async () => {
    const [{ LoginStore }, { Credentials }, { FileCredentialStore }] = await Promise.all([
      import('../auth/login-store.ts'),
      import('../auth/credentials.ts'),
      import('../auth/file-credentials.ts'),
    ])
    const file = new FileCredentialStore(folder, onBackup)
    const wanted = environment['IMGCTL_CREDENTIAL_STORE']
    const credentials = new Credentials({ profiles, file, keychain, wanted, onFallback })
    return new LoginStore({ profiles, credentials, cacheFolder: cacheDir(environment), oauth })
  })
  return {
    profiles,
    logins,
    issuer: async (settings, server, signal) => {
      const { createIssuer } = await import('../auth/oauth/create-issuer.ts')
      return createIssuer(settings, server, await http(), signal)
    },
  }
}
