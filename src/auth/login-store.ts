import type { ProfileStore } from '../config/profiles.ts'
import type {
  AccessToken,
  Account,
  Bearer,
  Credential,
  CredentialPlace,
  CredentialStore,
  OAuthCredential,
} from '../ports/credentials.ts'
import type { OAuthLogin } from '../ports/login.ts'
import type { Credentials } from './credentials.ts'
import type { OAuthBearerOptions } from './oauth/oauth-bearer.ts'
import { apiKeyBearer, loginHint, type StoredLogin } from './session.ts'
import { TokenCache, withLoginLock } from './token-cache.ts'

export interface LoginStoreOptions {
  readonly profiles: ProfileStore
  readonly credentials: Credentials
  /** For things that may be lost. */
  readonly cacheFolder: string
  /** What talks to issuers, loaded when it is needed. */
  readonly oauth: () => Promise<OAuthCalls>
}

export interface OAuthCalls {
  readonly bearer: (options: BearerParts, current: AccessToken | undefined) => Bearer
  readonly revoke: (credential: OAuthCredential, server: string, signal: AbortSignal) => Promise<boolean>
}

/** What a bearer needs beside the issuer. */
export type BearerParts = Omit<OAuthBearerOptions, 'refresh'>

/** A login to keep. */
export type NewLogin = { readonly kind: 'api-key'; readonly apiKey: string } | OAuthLogin

/** What a logout came to. */
export interface Logout {
  /** Whether anybody was logged in. */
  readonly loggedOut: boolean
  /** `failed`: the issuer was not reached or has no way to; `none`: there was nothing to revoke. */
  readonly revoked: 'done' | 'failed' | 'none'
}

/** The logins of profiles: credential, cached access token, and what the profile says of them. */
export class LoginStore {
  readonly #options: LoginStoreOptions

  constructor(options: LoginStoreOptions) {
    this.#options = options
  }

  /** The login of a profile. The keychain is not asked while an access token is good. */
  async find(account: Account): Promise<StoredLogin | undefined> {
    const store = await this.#options.credentials.storeOf(account)
    if (store === undefined) return undefined
    const cache = this.#cache(store, account)
    const cached = await cache.read()
    const credential = cached ? undefined : await store.read(account)
    if (credential?.kind === 'api-key') {
      return { method: 'api-key', bearer: apiKeyBearer(credential.apiKey), origin: store.kind }
    }
    if (!cached && !credential) return undefined
    const { bearer } = await this.#options.oauth()
    const parts: BearerParts = {
      account,
      store,
      cache,
      exclusively: (action, signal) => withLoginLock(this.#options.cacheFolder, account, action, signal),
      save: (renewed) => this.#replace(account, renewed),
      forget: () => this.#forget(account),
      hint: loginHint(account.server),
    }
    return { method: 'oauth', bearer: bearer(parts, cached), origin: store.kind }
  }

  /** As `Credentials.usual`. */
  usualPlace(): ReturnType<Credentials['usual']> {
    return this.#options.credentials.usual()
  }

  /** Keeps a login and makes its profile the active one. @returns where the credential is */
  async save(account: Account, login: NewLogin, organization?: string): Promise<CredentialPlace> {
    const { profiles, credentials, cacheFolder } = this.#options
    const credential: Credential = 'credential' in login ? login.credential : login
    return withLoginLock(cacheFolder, account, async () => {
      const place = await credentials.write(account, credential)
      const { profile, server } = account
      await profiles.save(profile, { server, credential: place, organization })
      const store = await credentials.storeOf(account)
      const cache = store && this.#cache(store, account)
      if ('accessToken' in login) await cache?.write(login.accessToken)
      else await cache?.clear()
      return place
    })
  }

  /**
   * Removes a login everywhere, and ends it at its issuer when that can be reached.
   *
   * @throws ImgctlError CREDENTIALS_UNAVAILABLE, FILE_UNREADABLE: then it is still there
   */
  async remove(account: Account, signal: AbortSignal): Promise<Logout> {
    const { cacheFolder, oauth } = this.#options
    const removed = await withLoginLock(cacheFolder, account, () => this.#forget(account), signal)
    if (removed?.kind !== 'oauth' || removed.refreshToken === undefined) {
      return { loggedOut: removed !== undefined, revoked: 'none' }
    }
    const { revoke } = await oauth()
    const isRevoked = await revoke(removed, account.server, signal).catch(() => {
      signal.throwIfAborted()
      return false
    })
    return { loggedOut: true, revoked: isRevoked ? 'done' : 'failed' }
  }

  async #replace({ profile, server }: Account, credential: OAuthCredential): Promise<void> {
    const { profiles, credentials } = this.#options
    const before = (await profiles.read()).profiles.get(profile)?.credential
    const place = await credentials.write({ profile, server }, credential)
    if (place !== before) await profiles.update(profile, { credential: place })
  }

  /** @returns what was there */
  async #forget(account: Account): Promise<Credential | undefined> {
    const { profiles, credentials } = this.#options
    const store = await credentials.storeOf(account)
    const removed = await credentials.remove(account)
    if (store) await this.#cache(store, account).clear()
    if ((await profiles.read()).profiles.get(account.profile)?.credential)
      await profiles.update(account.profile, { credential: undefined })
    return removed
  }

  #cache(store: CredentialStore, account: Account): TokenCache {
    return new TokenCache(this.#options.cacheFolder, store.scope, account)
  }
}
