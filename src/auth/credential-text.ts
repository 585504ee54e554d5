import { ImgctlError } from '../errors/error.ts'
import type { Credential } from '../ports/credentials.ts'

/** A credential as a store holds it: an API key as it is, a login with its issuer as JSON. */
export function credentialText(credential: Credential): string {
  if (credential.kind === 'api-key') return credential.apiKey
  const { refreshToken, issuer, clientId, audience } = credential
  return JSON.stringify({ refreshToken, issuer, clientId, audience })
}

/** @throws ImgctlError CREDENTIALS_UNAVAILABLE, without quoting the text */
export function parseCredential(text: string): Credential {
  if (!text.startsWith('{')) return { kind: 'api-key', apiKey: text }
  const { refreshToken, issuer, clientId, audience } = fieldsOf(text)
  if (typeof issuer !== 'string' || typeof clientId !== 'string' || typeof audience !== 'string')
    throw broken()
  return {
    kind: 'oauth',
    refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
    issuer,
    clientId,
    audience,
  }
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text)
  } catch {
    throw broken()
  }
}

function broken(): ImgctlError {
  return new ImgctlError('CREDENTIALS_UNAVAILABLE', 'the stored login cannot be read', {
    hint: 'make a new one: imgctl login',
  })
}
