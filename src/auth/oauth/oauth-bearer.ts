import { setTimeout as sleep } from 'node:timers/promises'
import { ImgctlError } from '../../errors/error.ts'
import type {
  AccessToken,
  Account,
  Bearer,
  Credential,
  CredentialStore,
  OAuthCredential,
} from '../../ports/credentials.ts'
import type { OAuthLogin } from '../../ports/login.ts'
import type { TokenCache } from '../token-cache.ts'

/** A token this close to its end may not live until the server has read it. */
const MARGIN_MS = 60_000
/** Of a short-lived token, this part of its life counts. */
const USABLE_SHARE = 0.8
/** Another program of this login's may be about to store what it got for the same refresh token. */
const REREAD_WAITS_MS = [100, 300, 600] as const

type Refreshable = OAuthCredential & { readonly refreshToken: string }

export interface OAuthBearerOptions {
  readonly account: Account
  readonly store: CredentialStore
  readonly cache: Pick<TokenCache, 'read' | 'write' | 'clear'>
  /** Runs an action while no other process works on this login. */
  readonly exclusively: <T>(action: () => Promise<T>, signal?: AbortSignal) => Promise<T>
  /** @returns undefined when the issuer does not take the refresh token any more */
  readonly refresh: (credential: Refreshable, signal?: AbortSignal) => Promise<OAuthLogin | undefined>
  /** Keeps the credential that takes the place of the last one. */
  readonly save: (credential: OAuthCredential) => Promise<unknown>
  /** Forgets a credential that has ended. */
  readonly forget: () => Promise<unknown>
  /** How to log in again. */
  readonly hint: string
}

/**
 * Access tokens of a login, renewed before they expire and when the server refuses one. Of all processes that use
 * the login one at a time asks the issuer; the others find what it got. What it got is stored before the next one
 * looks.
 */
export class OAuthBearer implements Bearer {
  readonly #options: OAuthBearerOptions
  #current: AccessToken | undefined
  #renewal: Promise<AccessToken> | undefined

  constructor(options: OAuthBearerOptions, current?: AccessToken) {
    this.#options = options
    this.#current = current
  }

  get expiresAt(): number | undefined {
    return this.#current?.expiresAt
  }

  async token(signal?: AbortSignal): Promise<string> {
    if (this.#current && isUsable(this.#current)) return this.#current.value
    return (await this.#renew(undefined, signal)).value
  }

  async renew(refused: string, signal?: AbortSignal): Promise<string> {
    const current = this.#current
    if (current && current.value !== refused && isUsable(current)) return current.value
    return (await this.#renew(refused, signal)).value
  }

  /** Calls that need a token at once share one. */
  async #renew(refused: string | undefined, signal: AbortSignal | undefined): Promise<AccessToken> {
    this.#renewal ??= this.#options
      .exclusively(() => this.#renewLocked(refused, signal), signal)
      .finally(() => {
        this.#renewal = undefined
      })
    this.#current = await this.#renewal
    return this.#current
  }

  async #renewLocked(refused: string | undefined, signal: AbortSignal | undefined): Promise<AccessToken> {
    const { cache, store, account } = this.#options
    const cached = await cache.read()
    if (cached && cached.value !== refused && isUsable(cached)) return cached
    const credential = refreshable(await store.read(account))
    if (credential === undefined) throw this.#ended()
    await store.assertWritable()
    return this.#refresh(credential, signal)
  }

  async #refresh(credential: Refreshable, signal: AbortSignal | undefined): Promise<AccessToken> {
    const { cache, refresh, save, forget } = this.#options
    const login = await refresh(credential, signal)
    if (login) {
      await save(login.credential)
      await cache.write(login.accessToken)
      return login.accessToken
    }
    const newer = await this.#newerThan(credential)
    if (newer) return this.#refresh(newer, signal)
    await cache.clear()
    await forget()
    throw this.#ended()
  }

  /** What another program has stored meanwhile; undefined when it is still the credential that was refused. */
  async #newerThan({ refreshToken }: Refreshable): Promise<Refreshable | undefined> {
    const { store, account } = this.#options
    for (const wait of REREAD_WAITS_MS) {
      const stored = refreshable(await store.read(account))
      if (stored === undefined) return undefined
      if (stored.refreshToken !== refreshToken) return stored
      await sleep(wait)
    }
    return undefined
  }

  #ended(): ImgctlError {
    const { account, hint } = this.#options
    return new ImgctlError('AUTH_REQUIRED', `the login to ${account.server} has ended`, { hint })
  }
}

/** Whether a token can be sent now. */
export function isUsable({ issuedAt, expiresAt }: AccessToken, now = Date.now()): boolean {
  const margin = Math.min(MARGIN_MS, (expiresAt - issuedAt) * (1 - USABLE_SHARE))
  return now >= issuedAt - MARGIN_MS && now < expiresAt - margin
}

function refreshable(credential: Credential | undefined): Refreshable | undefined {
  if (credential?.kind !== 'oauth' || credential.refreshToken === undefined) return undefined
  return { ...credential, refreshToken: credential.refreshToken }
}
