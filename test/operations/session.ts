import type { Session } from '../../src/ports/credentials.ts'

/** A session with an API key, as the environment makes it. */
export function sessionOf(server: string, apiKey: string): Session {
  return {
    server,
    method: 'api-key',
    bearer: { token: async () => apiKey, renew: async () => undefined, expiresAt: undefined },
    origin: 'environment',
    profile: undefined,
    organization: undefined,
  }
}
