import type { ServerContext } from '../context.ts'

/** Where this server's own issuer is, below its public URL. */
export const ISSUER_PATH = '/oidc'
/** The public native client that every imgctl is. */
export const CLIENT_ID = 'imgctl'
const AUDIENCE_PATH = '/api'

export interface IssuerFacts {
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
}

/** Where to log in to this server; undefined when that is not possible. */
export function issuerOf(ctx: Pick<ServerContext, 'settings' | 'origin'>): IssuerFacts | undefined {
  const { oidc } = ctx.settings
  if (oidc) return { issuer: oidc.issuer, clientId: oidc.clientId, audience: oidc.audience }
  const origin = ctx.origin()
  if (origin === undefined) return undefined
  return { issuer: origin + ISSUER_PATH, clientId: CLIENT_ID, audience: origin + AUDIENCE_PATH }
}
