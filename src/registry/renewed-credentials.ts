import type { RepositoryLocation } from '../ports/registry.ts'
import type { RegistryCredentials } from '../ports/registry-credentials.ts'

/** Renewed before their end, so that no request is refused for it. */
const USABLE_SHARE = 0.8

/** A repository's credentials: those that end are asked for again, once by however many requests wait. */
export class RenewedCredentials {
  readonly #location: RepositoryLocation
  #credentials: RegistryCredentials | undefined
  #staleAt: number
  #renewing: Promise<void> | undefined

  constructor(location: RepositoryLocation) {
    this.#location = location
    this.#credentials = location.credentials
    this.#staleAt = staleAt(location.renewal?.expiresAt)
  }

  async current(signal?: AbortSignal): Promise<RegistryCredentials | undefined> {
    if (Date.now() >= this.#staleAt) await this.#renew(signal)
    return this.#credentials
  }

  /** What was used last, perhaps stale. */
  get known(): RegistryCredentials | undefined {
    return this.#credentials
  }

  /** @returns whether there are others than the refused ones now */
  async renewRefused(refused: RegistryCredentials | undefined, signal?: AbortSignal): Promise<boolean> {
    if (refused !== this.#credentials) return true
    if (!this.#location.renewal) return false
    await this.#renew(signal)
    return refused !== this.#credentials
  }

  #renew(signal: AbortSignal | undefined): Promise<void> {
    this.#renewing ??= this.#fetch(signal).finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #fetch(signal: AbortSignal | undefined): Promise<void> {
    const { credentials, expiresAt } = await this.#location.renewal!.renew(signal)
    this.#credentials = credentials
    this.#staleAt = staleAt(expiresAt)
  }
}

/** Where the other side's clock is far from ours its times say nothing: then a refusal tells. */
function staleAt(expiresAt: number | undefined): number {
  const now = Date.now()
  return expiresAt === undefined || expiresAt <= now
    ? Number.POSITIVE_INFINITY
    : now + (expiresAt - now) * USABLE_SHARE
}
