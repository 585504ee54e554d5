/** Clients that are at work at the same time. A token has less than a kilobyte. */
const MAX_TOKENS = 1_000

export interface VerifiedToken {
  readonly claims: Readonly<Record<string, unknown>>
  /** Seconds since 1970, as in the claim `exp`. */
  readonly expiresAt: number
}

/**
 * Tokens whose signature was found good, until they expire: a client sends the same one with each of a thousand
 * requests, and checking it costs more than the rest of a small one. What a token stands for (its key, its user) is
 * not kept here and is asked for each time.
 */
export class VerifiedTokens {
  readonly #tokens = new Map<string, VerifiedToken>()

  /** The claims of a token that was added and has not expired. @param now milliseconds since 1970 */
  find(token: string, now: number): VerifiedToken['claims'] | undefined {
    const known = this.#tokens.get(token)
    if (known === undefined) return undefined
    // As the verification itself says it: a token is good while the second before `exp` lasts.
    if (Math.floor(now / 1000) < known.expiresAt) return known.claims
    this.#tokens.delete(token)
    return undefined
  }

  add(token: string, verified: VerifiedToken): void {
    // The oldest one goes: a Map keeps the order of insertion.
    if (this.#tokens.size >= MAX_TOKENS) this.#tokens.delete(this.#tokens.keys().next().value!)
    this.#tokens.set(token, verified)
  }
}
