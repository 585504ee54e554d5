import Provider, { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { ServerContext } from '../context.ts'
import { findActiveAccount } from '../identity/accounts.ts'
import type { IssuerFacts } from '../identity/issuer.ts'
import { SIGNING_ALGORITHM, type SigningKeys } from '../identity/signing-keys.ts'
import { databaseAdapter } from './adapter.ts'
import { confirmDevicePage, deviceCodePage, deviceDonePage } from './pages/device.ts'
import { issuerErrorPage } from './pages/error.ts'
import { loggedOutPage, logOutPage } from './pages/logout.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Short: it is asked for again without a word, and what was leaked is soon worthless. */
export const ACCESS_TOKEN_SECONDS = 15 * MINUTE
/** Not used for so long: log in again. Each use begins anew. */
export const REFRESH_TOKEN_SECONDS = 90 * DAY
/** A login that is used all the time lasts this long. */
export const GRANT_SECONDS = 365 * DAY
/** Read once, right after the login. */
const ID_TOKEN_SECONDS = 10 * MINUTE
/** From the browser to the program that waits on the same machine. */
const CODE_SECONDS = MINUTE
/** Time to find the password. */
const INTERACTION_SECONDS = 30 * MINUTE
/** Time to take the code to another device. RFC 8628, section 6.1: a short life is what keeps guessing off. */
const DEVICE_CODE_SECONDS = 10 * MINUTE
/** A working day: after it a browser asks for the password again. */
const SESSION_SECONDS = 12 * HOUR
/** Of a browser that nobody has logged in with yet. */
const EMPTY_SESSION_SECONDS = HOUR
/** RFC 8252, section 7.3: with any port. */
const CALLBACK = 'http://127.0.0.1/callback'
/** Consonants only: no words, nothing that looks like a digit. RFC 8628, section 6.1. */
const USER_CODE = { charset: 'base-20', mask: '****-****' } as const
/** The others come by a script, which no page here may run, or in the part of a URL that a program does not get. */
const RESPONSE_MODE = 'query'
const SCOPES = ['openid', 'offline_access', 'profile', 'email']

type Ctx = Pick<ServerContext, 'db' | 'keys' | 'now' | 'log' | 'settings' | 'reserve'>

/** The issuer with today's keys. All that it remembers is in the database, so that it can be made again at any time. */
export function createProvider(ctx: Ctx, facts: IssuerFacts, keys: SigningKeys): Provider {
  const provider = new Provider(facts.issuer, configuration(ctx, facts, keys))
  // The caller sets these headers from the public URL: what a client sent in them does not get here.
  provider.proxy = true
  provider.use(async (context: KoaContextWithOIDC, next) => {
    refuseOtherModes(context)
    await next()
    const { route, session } = (context.oidc as KoaContextWithOIDC['oidc'] | undefined) ?? {}
    if (route === 'discovery') {
      Object.assign(context.body as object, { response_modes_supported: [RESPONSE_MODE] })
    }
    // Of a browser that nobody is logged in with, the library makes a page that needs a script.
    if (route === 'end_session' && context.status === 200 && !session?.accountId) loggedOutPage(context)
  })
  provider.on('server_error', (_context, error) => ctx.log.error({ err: error }, 'the issuer failed'))
  provider.on('grant.revoked', () => ctx.log.info('a login ended'))
  return provider
}

/** The library has more modes; what even it does not know it refuses, in a redirect to the client. */
function refuseOtherModes(context: KoaContextWithOIDC): void {
  const { response_mode: mode } = context.query
  if (mode === undefined || mode === RESPONSE_MODE) return
  context.query = { ...context.query, response_mode: 'unsupported' }
}

function configuration(ctx: Ctx, facts: IssuerFacts, keys: SigningKeys): Configuration {
  return {
    adapter: databaseAdapter(ctx),
    jwks: { keys: [...keys] as never },
    clients: [
      {
        client_id: facts.clientId,
        client_name: 'imgctl',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
        redirect_uris: [CALLBACK],
        id_token_signed_response_alg: SIGNING_ALGORITHM,
      },
    ],
    clientDefaults: { id_token_signed_response_alg: SIGNING_ALGORITHM },
    responseTypes: ['code'],
    clientAuthMethods: ['none'],
    scopes: SCOPES,
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
    // The ID token says who it is: no second request.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    // A login of the command line outlives the browser's.
    expiresWithSession: async () => false,
    extraTokenClaims: async (_context, token) => ({ grant: 'grantId' in token ? token.grantId : undefined }),
    findAccount: async (_context, id) => {
      const account = await findActiveAccount(ctx, id)
      return (
        account && {
          accountId: id,
          claims: async () => ({
            sub: id,
            name: account.name,
            preferred_username: account.login,
            ...(account.email === null ? {} : { email: account.email }),
          }),
        }
      )
    },
    interactions: {
      url: (_context, interaction) => `${new URL(facts.issuer).pathname}/login/${interaction.uid}`,
    },
    renderError: (context, out) => issuerErrorPage(context, out),
    cookies: {
      keys: [ctx.keys.tag('cookie-signing', '')],
      names: { session: 'imgctl_session', interaction: 'imgctl_login', resume: 'imgctl_resume' },
      long: { signed: true, httpOnly: true, sameSite: 'lax', path: new URL(facts.issuer).pathname },
      short: { signed: true, httpOnly: true, sameSite: 'lax' },
    },
    ttl: {
      AccessToken: ACCESS_TOKEN_SECONDS,
      AuthorizationCode: CODE_SECONDS,
      DeviceCode: DEVICE_CODE_SECONDS,
      Grant: GRANT_SECONDS,
      IdToken: ID_TOKEN_SECONDS,
      Interaction: INTERACTION_SECONDS,
      RefreshToken: REFRESH_TOKEN_SECONDS,
      Session: (_context, { accountId }) => (accountId ? SESSION_SECONDS : EMPTY_SESSION_SECONDS),
    },
    routes: {
      authorization: '/auth',
      code_verification: '/device',
      device_authorization: '/device/auth',
      end_session: '/logout',
      jwks: '/jwks',
      revocation: '/revoke',
      token: '/token',
      userinfo: '/me',
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      revocation: {
        enabled: true,
        allowedPolicy: async (_context, client, token) => token.clientId === client.clientId,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => facts.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: async (_context, resource) => {
          if (resource !== facts.audience) throw new errors.InvalidTarget()
          return {
            audience: facts.audience,
            // What a token may do is decided by its user's permissions, at every request.
            scope: '',
            accessTokenFormat: 'jwt',
            accessTokenTTL: ACCESS_TOKEN_SECONDS,
            jwt: { sign: { alg: SIGNING_ALGORITHM } },
          }
        },
      },
      deviceFlow: {
        enabled: true,
        ...USER_CODE,
        userCodeInputSource: (context, form, _out, error) => deviceCodePage(context, form, error),
        userCodeConfirmSource: (context, form, _client, _device, code) =>
          confirmDevicePage(context, form, code),
        successSource: (context) => deviceDonePage(context),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context, form) => logOutPage(context, form),
        postLogoutSuccessSource: (context) => loggedOutPage(context),
      },
    },
  }
}
