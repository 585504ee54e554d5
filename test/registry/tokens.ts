import type { FaultyRegistry } from './faulty-registry.ts'

export interface Tokens {
  /** The scopes of each token that was given out, joined by a space. */
  readonly given: string[]
  /** `Authorization` of each request to the token server. */
  readonly authorizations: (string | undefined)[]
  /** No token is accepted from now on, though they have not expired. */
  revokeAll(): void
}

export const CHALLENGE = (origin: string): string =>
  `Bearer realm="${origin}/token",service="faulty, the registry"`

/** Makes a registry want tokens of its own token server, on top of the faults it has already. */
export function requireTokens(registry: FaultyRegistry, lifeSeconds = 300): Tokens {
  const valid = new Map<string, number>()
  const tokens: Tokens = { given: [], authorizations: [], revokeAll: () => valid.clear() }
  const others = registry.fault
  registry.fault = (request) => {
    if (request.path === '/token') {
      tokens.authorizations.push(request.headers.authorization)
      tokens.given.push(request.query.getAll('scope').join(' '))
      const token = `token-${tokens.given.length}`
      valid.set(`Bearer ${token}`, Date.now() + lifeSeconds * 1000)
      return { answer: 200, body: JSON.stringify({ token, expires_in: lifeSeconds }) }
    }
    const until = valid.get(request.headers.authorization ?? '') ?? 0
    if (Date.now() < until) return others(request)
    return { answer: 401, headers: { 'www-authenticate': CHALLENGE(registry.origin) } }
  }
  return tokens
}
