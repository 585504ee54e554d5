import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import Provider, { type Adapter } from 'oidc-provider'
import { onTestFinished } from 'vitest'

export const AUDIENCE = 'https://images.example/api'
export const CLIENT = 'imgctl-at-other'

/** How Keycloak, Auth0 and Dex differ: the algorithm, and a slash at the end of the issuer. */
export interface Shape {
  readonly algorithm: 'RS256' | 'ES256' | 'PS256' | 'EdDSA'
  readonly path: string
}

interface Key {
  readonly jwk: JWK
  readonly kid: string
}

type Changed = { readonly [C in keyof JWTPayload]: JWTPayload[C] | undefined }

export interface OtherIssuer {
  readonly issuer: string
  /** Requests for its keys so far. */
  keyRequests(): number
  /** Signs as the issuer does; `changed` claims replace its own. */
  sign(changed?: Changed, header?: { alg?: string; kid?: string }, key?: JWK): Promise<string>
  /** A key of another issuer with the same id. */
  foreignKey(): Promise<JWK>
  /** From now on it signs with a new key. The old one is not shown any more. */
  rotate(): Promise<void>
  /** Answers nothing but 503 until it is called with false. */
  fail(failing: boolean): void
}

/** Another OpenID provider, with its own discovery and keys, as an external issuer. */
export async function openOtherIssuer({ algorithm, path }: Shape): Promise<OtherIssuer> {
  let handler: (...args: Parameters<ReturnType<Provider['callback']>>) => unknown = () => {}
  let keyRequests = 0
  let failing = false
  const server = createServer((request, response) => {
    if (failing) return response.writeHead(503).end()
    if (request.url?.endsWith('/jwks')) keyRequests++
    const url = request.url ?? '/'
    Object.assign(request, { originalUrl: url, url: url.slice(path.replace(/\/$/, '').length) })
    handler(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  let key = await newKey(algorithm)
  const use = () => {
    const provider = new Provider(issuer, { jwks: { keys: [key.jwk] } as never, ...quiet() })
    handler = provider.callback()
  }
  use()
  return {
    issuer,
    keyRequests: () => keyRequests,
    async sign(changed = {}, header = {}, other = key.jwk) {
      const now = Math.floor(Date.now() / 1000)
      const claims = { iss: issuer, aud: AUDIENCE, sub: 'auth0|1234', iat: now, exp: now + 600, azp: CLIENT }
      const { importJWK } = await import('jose')
      return new SignJWT({ ...claims, ...changed } as JWTPayload)
        .setProtectedHeader({ alg: algorithm, kid: key.kid, ...header })
        .sign(await importJWK(other, header.alg ?? algorithm))
    },
    foreignKey: async () => (await newKey(algorithm)).jwk,
    async rotate() {
      key = await newKey(algorithm)
      use()
    },
    fail(value) {
      failing = value
    },
  }
}

let keys = 0
async function newKey(algorithm: Shape['algorithm']): Promise<Key> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const kid = `other-${++keys}`
  return { kid, jwk: { ...(await exportJWK(privateKey)), kid, alg: algorithm, use: 'sig' } }
}

/** What the library would warn about: nobody logs in here. */
function quiet() {
  const adapter = () => ({}) as Adapter
  return {
    adapter,
    clients: [],
    features: { devInteractions: { enabled: false } },
    cookies: { keys: ['test'] },
  }
}
