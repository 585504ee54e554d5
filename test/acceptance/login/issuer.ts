import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider, { type Configuration } from 'oidc-provider'

/** What the issuer's own API is called in its tokens. */
export const AUDIENCE = 'https://images.example/api'
export const CLIENT_ID = 'imgctl'
/** The one user that there is. */
export const ACCOUNT = 'ada'

type TokenAnswer = Record<string, unknown>

/** A second real issuer, in the test's process: its settings can be changed while it runs. */
export interface TestIssuer {
  readonly url: string
  readonly jwk: JWK
  /** `ask` shows a page with two buttons. */
  answer: 'approve' | 'deny' | 'ask'
  accessTokenSeconds: number
  /** Whether a refresh token is good once only. */
  rotates: boolean
  /** Requests for tokens, by grant type. */
  readonly grants: string[]
  /** Refresh tokens and codes that were given out or used: what must be found nowhere. */
  readonly secrets: Set<string>
  readonly revocations: string[]
  /** Errors that the token endpoint answers with next, one by one. */
  readonly tokenAnswers: string[]
  /** Changes what the token endpoint answers with. */
  tamper: ((answer: TokenAnswer) => Promise<TokenAnswer> | TokenAnswer) | undefined
  /** Changes the discovery document. */
  describe: ((document: Record<string, unknown>) => Record<string, unknown>) | undefined
  /** Before the answer of the token endpoint goes out. */
  delayMs: number
  /** Enters the code of a device login for the user. */
  readonly enterCode: (userCode: string, answer: 'approve' | 'deny') => Promise<void>
  readonly stop: () => Promise<void>
}

/** Makes `imgctl serve` take this issuer's logins; its user is an administrator. */
export function issuerArguments({ url }: Pick<TestIssuer, 'url'>): string[] {
  const issuer = ['--oidc-issuer', url, '--oidc-client-id', CLIENT_ID, '--oidc-audience', AUDIENCE]
  return [...issuer, '--oidc-admin', ACCOUNT]
}

export async function startIssuer({ device = true } = {}): Promise<TestIssuer> {
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  const http = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }
  const issuer: TestIssuer = {
    url,
    jwk,
    answer: 'approve',
    accessTokenSeconds: 3600,
    rotates: true,
    grants: [],
    secrets: new Set(),
    revocations: [],
    tokenAnswers: [],
    tamper: undefined,
    describe: undefined,
    delayMs: 0,
    enterCode: async (userCode, answer) => {
      const code = await provider.DeviceCode.findByUserCode(userCode.replace(/\W/g, ''))
      if (!code) throw new Error(`no such code: ${userCode}`)
      if (answer === 'deny') {
        Object.assign(code, { error: 'access_denied', errorDescription: 'the user said no' })
      } else {
        const grantId = await grant(provider, String(code.params?.['scope']))
        const { scope, resource } = code.params ?? {}
        const granted = { accountId: ACCOUNT, authTime: now(), grantId, scope, resource, claims: {} }
        Object.assign(code, granted)
      }
      await code.save()
    },
    stop: async () => {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
  const provider = new Provider(url, configuration(issuer, device))
  provider.use(watch(issuer))
  provider.use(interactions(provider, issuer))
  handle = provider.callback()
  return issuer
}

function configuration(issuer: TestIssuer, device: boolean): Configuration {
  const deviceGrant = device ? ['urn:ietf:params:oauth:grant-type:device_code'] : []
  return {
    clients: [
      {
        client_id: CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', ...deviceGrant],
        redirect_uris: ['http://127.0.0.1/callback'],
      },
    ],
    jwks: { keys: [issuer.jwk as never] },
    cookies: { keys: ['test'] },
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    claims: { profile: ['name'], email: ['email'] },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    rotateRefreshToken: () => issuer.rotates,
    ttl: {
      IdToken: 600,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 3600,
      Interaction: 600,
      DeviceCode: 600,
    },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: device },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience: AUDIENCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: issuer.accessTokenSeconds,
        }),
      },
    },
    pkce: { required: () => true },
  }
}

type Middleware = Parameters<Provider['use']>[0]

function watch(issuer: TestIssuer): Middleware {
  return async (ctx, next) => {
    const error = ctx.path === '/token' ? issuer.tokenAnswers.shift() : undefined
    if (error !== undefined) {
      issuer.grants.push(new URLSearchParams(await text(ctx.req)).get('grant_type') ?? '')
      ctx.status = error === 'invalid_client' ? 401 : 400
      ctx.body = { error, error_description: 'as the test says' }
      return
    }
    await next()
    if (ctx.path === '/.well-known/openid-configuration' && issuer.describe) {
      ctx.body = issuer.describe(ctx.body as Record<string, unknown>)
    }
    const parameters = (ctx.oidc?.params ?? {}) as Record<string, unknown>
    for (const name of ['code', 'refresh_token', 'token']) {
      if (typeof parameters[name] === 'string') issuer.secrets.add(parameters[name])
    }
    // The default of 5 s between two questions is long for a test.
    if (ctx.path === '/device/auth' && ctx.status === 200) {
      ctx.body = { ...(ctx.body as object), interval: 0.2 }
    }
    if (ctx.path === '/token/revocation') issuer.revocations.push(String(parameters['token']))
    if (ctx.path !== '/token') return
    issuer.grants.push(String(parameters['grant_type']))
    if (issuer.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, issuer.delayMs))
    const answer = ctx.body as TokenAnswer
    for (const name of ['access_token', 'refresh_token', 'id_token']) {
      if (typeof answer[name] === 'string') issuer.secrets.add(answer[name])
    }
    if (issuer.tamper && ctx.status === 200) ctx.body = await issuer.tamper(answer)
  }
}

function interactions(provider: Provider, issuer: TestIssuer): Middleware {
  return async (ctx, next) => {
    const [, uid] = /^\/interaction\/([^/]+)$/.exec(ctx.path) ?? []
    if (uid === undefined) return next()
    const given = ctx.query['answer'] ?? issuer.answer
    if (given === 'ask') {
      ctx.type = 'html'
      ctx.body = `<form action="/interaction/${uid}"><button name="answer" value="approve">Yes</button>
        <button name="answer" value="deny">No</button></form>`
      return
    }
    const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res)
    const result =
      given === 'deny'
        ? { error: 'access_denied', error_description: 'the user said no' }
        : prompt.name === 'login'
          ? { login: { accountId: ACCOUNT } }
          : { consent: { grantId: await grant(provider, String(params['scope'])) } }
    ctx.respond = false
    await provider.interactionFinished(ctx.req, ctx.res, result, {
      mergeWithLastSubmission: given !== 'deny',
    })
  }
}

async function grant(provider: Provider, scope: string): Promise<string> {
  const made = new provider.Grant({ accountId: ACCOUNT, clientId: CLIENT_ID })
  made.addOIDCScope(scope)
  made.addResourceScope(AUDIENCE, '')
  return made.save()
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
