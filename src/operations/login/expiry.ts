import type { Me } from '../../contract/identity.ts'
import { isCode } from '../../errors/error.ts'
import type { Session } from '../../ports/credentials.ts'
import type { ServerKeys } from '../../ports/server.ts'

/**
 * When the access token or the API key of a session ends.
 *
 * @param me what the server said of the session
 * @returns RFC 3339; null: never, or not known
 */
export async function loginExpiry(
  { method, bearer }: Pick<Session, 'method' | 'bearer'>,
  { keyName }: Pick<Me, 'keyName'>,
  server: Pick<ServerKeys, 'currentApiKey'>,
  signal: AbortSignal,
): Promise<string | null> {
  if (method === 'oauth') {
    return bearer.expiresAt === undefined ? null : new Date(bearer.expiresAt).toISOString()
  }
  if (keyName === null) return null
  try {
    return (await server.currentApiKey(signal)).expiresAt
  } catch (error) {
    if (isCode(error, 'NOT_FOUND', 'FORBIDDEN')) return null
    throw error
  }
}
