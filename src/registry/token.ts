import type { Dispatcher } from 'undici'
import { ImgctlError } from '../errors/error.ts'
import { isLoopback } from '../internal/loopback.ts'
import type { RepositoryLocation } from '../ports/registry.ts'
import type { RegistryCredentials } from '../ports/registry-credentials.ts'
import type { Challenge } from './challenge.ts'
import { answerError, protocolError } from './errors.ts'
import { exchange, type HttpAnswer, type HttpRequest, parseUrl, readBody } from './http.ts'
import { memoryBody } from './request-body.ts'

/** https://distribution.github.io/distribution/spec/auth/token/: what a token lives when nothing is said. */
const DEFAULT_LIFE_SECONDS = 60
/** Refreshed before its end, so that a request that was just started is not refused. */
const USABLE_SHARE = 0.8
const MAX_TOKEN_ANSWER_BYTES = 256 * 1024
/** What may stand in a header: everything else could not have come from a token server in good faith. */
const HEADER_SAFE = /^[\x21-\x7e]+$/

/** How token servers see us; it is only for their logs. */
const CLIENT_ID = 'imgctl'

type PasswordCredentials = Extract<RegistryCredentials, { username: string }>

export interface Token {
  readonly value: string
  /** Milliseconds since 1970: from then on another one is asked for. */
  readonly staleAt: number
}

export interface TokenRequest {
  readonly dispatcher: Dispatcher
  /** The registry that sent the challenge. */
  readonly registry: URL
  readonly challenge: Challenge
  readonly scopes: readonly string[]
  readonly credentials: RepositoryLocation['credentials']
  readonly headers: Readonly<Record<string, string>>
  readonly idleMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks the token server that a challenge names for a token.
 * https://distribution.github.io/distribution/spec/auth/token/
 *
 * @throws ImgctlError AUTH_REQUIRED, FORBIDDEN, REGISTRY_ERROR, REGISTRY_UNREACHABLE
 */
export async function fetchToken(wanted: TokenRequest): Promise<Token> {
  const { credentials, dispatcher, headers, idleMs, signal } = wanted
  const request =
    credentials && 'identityToken' in credentials
      ? refreshRequest(tokenUrl(wanted), credentials.identityToken)
      : credentialsRequest(tokenUrl(wanted), credentials)
  const answer = await exchange(dispatcher, {
    ...request,
    headers: { ...headers, ...request.headers },
    idleMs,
    signal,
  })
  if (answer.status !== 200) throw await answerError(answer)
  const { token, lifeSeconds } = await readToken(answer)
  return { value: token, staleAt: Date.now() + lifeSeconds * 1000 * USABLE_SHARE }
}

function credentialsRequest(
  url: URL,
  credentials: PasswordCredentials | undefined,
): Pick<HttpRequest, 'method' | 'url' | 'headers'> {
  const headers: Record<string, string> = credentials
    ? { authorization: basicAuthorization(credentials) }
    : {}
  return { method: 'GET', url, headers }
}

/** An identity token in its body. https://distribution.github.io/distribution/spec/auth/oauth/ */
function refreshRequest(
  url: URL,
  identityToken: string,
): Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    service: url.searchParams.get('service') ?? '',
    scope: url.searchParams.getAll('scope').join(' '),
    refresh_token: identityToken,
  })
  // Not `new URL(url.pathname, url)`: a path that begins with `//` would name another host.
  const server = new URL(url)
  server.search = ''
  return {
    method: 'POST',
    url: server,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: memoryBody(new TextEncoder().encode(form.toString())),
  }
}

export function basicAuthorization({ username, password }: PasswordCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}

function tokenUrl({ challenge, registry, scopes }: TokenRequest): URL {
  const realm = challenge.parameters.get('realm') ?? ''
  const url = parseUrl(realm)
  const wrong = (problem: string): ImgctlError =>
    new ImgctlError('REGISTRY_ERROR', `registry ${registry.host} ${problem}`)
  if (!url) throw wrong('asks for a token but does not say where to get it')
  if (!mayBeAsked(url, registry)) {
    throw wrong(`wants its token fetched from ${url.protocol}//${url.host}, which is not safe`)
  }
  const service = challenge.parameters.get('service')
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return url
}

/** Credentials go through TLS, or to the very host that the user chose to speak plain HTTP with. */
function mayBeAsked(realm: URL, registry: URL): boolean {
  if (realm.username !== '' || realm.password !== '') return false
  if (realm.protocol === 'https:') return true
  if (realm.protocol !== 'http:' || registry.protocol !== 'http:') return false
  return realm.hostname === registry.hostname || (isLoopback(realm.hostname) && isLoopback(registry.hostname))
}

async function readToken(answer: HttpAnswer): Promise<{ token: string; lifeSeconds: number }> {
  const body = await readBody(answer, MAX_TOKEN_ANSWER_BYTES)
  if (body === undefined) throw protocolError(answer, 'sent a token that is too long')
  let json: unknown
  try {
    json = JSON.parse(body.toString('utf8'))
  } catch {
    throw protocolError(answer, 'sent no JSON where a token was due')
  }
  const fields = (json ?? {}) as Record<string, unknown>
  const token = fields['token'] || fields['access_token']
  if (typeof token !== 'string' || !HEADER_SAFE.test(token)) throw protocolError(answer, 'sent no token')
  const life = fields['expires_in']
  return { token, lifeSeconds: typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_SECONDS }
}
