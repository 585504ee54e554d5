import type { Dispatcher } from 'undici'
import { isCode } from '../errors/error.ts'
import type { RepositoryLocation } from '../ports/registry.ts'
import type { RegistryCredentials } from '../ports/registry-credentials.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { answerError, RegistryError } from './errors.ts'
import type { HttpAnswer } from './http.ts'
import { RenewedCredentials } from './renewed-credentials.ts'
import { basicAuthorization, fetchToken, type Token } from './token.ts'

/** What a request is going to do, and in which other repository it reads. */
export interface Access {
  readonly action: 'pull' | 'push' | 'delete'
  readonly mountFrom?: string
}

/** https://distribution.github.io/distribution/spec/auth/scope/ */
const ACTIONS: Record<Access['action'], string> = {
  pull: 'pull',
  push: 'pull,push',
  delete: 'pull,push,delete',
}

/**
 * What one repository's requests carry as `Authorization`. The registry's first challenge decides the scheme;
 * tokens are kept per scope, renewed before they expire, and asked for once by however many requests wait.
 */
export class Authorization {
  readonly #location: RepositoryLocation
  readonly #registry: URL
  readonly #connection: {
    readonly dispatcher: Dispatcher
    readonly headers: Readonly<Record<string, string>>
    readonly idleMs: number
  }
  readonly #credentials: RenewedCredentials
  readonly #tokens = new Map<string, Promise<Token>>()
  #challenge: Challenge | undefined
  /** From the first write on, one token serves reads too. */
  #writes = false

  constructor(
    location: RepositoryLocation,
    registry: URL,
    connection: { dispatcher: Dispatcher; headers: Readonly<Record<string, string>>; idleMs: number },
  ) {
    this.#location = location
    this.#credentials = new RenewedCredentials(location)
    this.#registry = registry
    this.#connection = connection
  }

  /** The header's value, or undefined as long as the registry asked for nothing. */
  async header(access: Access, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined
    if (this.#challenge.scheme === 'basic') {
      return basicOf(await this.#credentials.current(signal))
    }
    const token = await this.#token(this.#challenge, this.#scopes(access), signal)
    return `Bearer ${token.value}`
  }

  /**
   * Learns from a 401.
   *
   * @param sent the `Authorization` that was refused
   * @returns whether the same request may now be let in
   */
  async learn(refused: HttpAnswer, sent: string | undefined): Promise<boolean> {
    const challenges = parseChallenges(refused.headers('www-authenticate'))
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    const basic = challenges.find(({ scheme }) => scheme === 'basic')
    const credentials = this.#credentials.known
    const challenge = bearer ?? (basicOf(credentials) ? basic : undefined)
    if (challenge === undefined) return false
    if (challenge === basic && sent !== undefined) {
      return this.#credentials.renewRefused(sent === basicOf(credentials) ? credentials : undefined)
    }
    if (!isSameService(this.#challenge, challenge)) this.#tokens.clear()
    this.#challenge = challenge
    await this.#forget(sent)
    return true
  }

  /** What a 401 that stays means to the user. */
  async refusal(answer: HttpAnswer): Promise<RegistryError> {
    const known = this.#location.credentials !== undefined
    const [challenge] = parseChallenges(answer.headers('www-authenticate'))
    const lacksRight = known && challenge?.parameters.get('error') === 'insufficient_scope'
    const error = await answerError(answer)
    const hint = known
      ? `the registry does not accept these credentials for ${this.#location.repository}`
      : 'the registry wants credentials, and none were given'
    return new RegistryError(lacksRight ? 'FORBIDDEN' : error.code, error.message, {
      hint: lacksRight ? `these credentials may not do this in ${this.#location.repository}` : hint,
      status: answer.status,
      specCode: error.specCode,
      answeredBy: error.answeredBy,
      ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
    })
  }

  #scopes({ action, mountFrom }: Access): string[] {
    this.#writes ||= action === 'push'
    const granted = action === 'pull' && this.#writes ? 'push' : action
    const own = `repository:${this.#location.repository}:${ACTIONS[granted]}`
    return mountFrom === undefined ? [own] : [own, `repository:${mountFrom}:pull`]
  }

  async #token(challenge: Challenge, scopes: readonly string[], signal?: AbortSignal): Promise<Token> {
    const key = scopes.join(' ')
    const kept = this.#tokens.get(key)
    if (kept && Date.now() < (await kept).staleAt) return kept
    // Another request may have replaced the stale one while this one looked at it.
    const current = this.#tokens.get(key)
    if (current && current !== kept) return current
    const fresh = this.#fetch(challenge, scopes, signal)
    this.#tokens.set(key, fresh)
    fresh.catch(() => this.#tokens.get(key) === fresh && this.#tokens.delete(key))
    return fresh
  }

  /** Once more when the credentials have ended meanwhile. */
  async #fetch(challenge: Challenge, scopes: readonly string[], signal?: AbortSignal): Promise<Token> {
    const credentials = await this.#credentials.current(signal)
    const wanted = { ...this.#connection, registry: this.#registry, challenge, scopes, signal }
    try {
      return await fetchToken({ ...wanted, credentials })
    } catch (error) {
      const isRefused = isCode(error, 'AUTH_REQUIRED', 'FORBIDDEN')
      if (!isRefused || !(await this.#credentials.renewRefused(credentials, signal))) throw error
      return fetchToken({ ...wanted, credentials: await this.#credentials.current(signal) })
    }
  }

  /** Drops the refused token, not one that another request fetched meanwhile. */
  async #forget(sent: string | undefined): Promise<void> {
    for (const [key, kept] of this.#tokens) {
      const token = await kept.catch(() => undefined)
      if (token === undefined || `Bearer ${token.value}` === sent) this.#tokens.delete(key)
    }
  }
}

function basicOf(credentials: RegistryCredentials | undefined): string | undefined {
  return credentials && 'password' in credentials ? basicAuthorization(credentials) : undefined
}

function isSameService(a: Challenge | undefined, b: Challenge): boolean {
  return ['realm', 'service'].every((name) => a?.parameters.get(name) === b.parameters.get(name))
}
