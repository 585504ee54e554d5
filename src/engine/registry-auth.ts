import type { EngineAuth } from '../ports/engine-push.ts'

/**
 * The value of X-Registry-Auth: base64url with padding, which Go's decoder wants; `{}` for no credentials.
 * https://docs.docker.com/reference/api/engine/#section/Authentication
 */
export function encodeAuth(auth: EngineAuth | undefined): string {
  const json = JSON.stringify(auth ? fields(auth) : {})
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

function fields(auth: EngineAuth): Record<string, string> {
  const { registry: serveraddress } = auth
  if ('identityToken' in auth) return { identitytoken: auth.identityToken, serveraddress }
  return { username: auth.username, password: auth.password, serveraddress }
}
