import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Permission } from '../../../src/contract/identity.ts'
import { createAccount, setPassword } from '../../../src/server/identity/accounts.ts'
import { setMembership } from '../../../src/server/identity/memberships.ts'
import { createLog } from '../../../src/server/log.ts'
import { type ChosenSettings, serverSettings } from '../../../src/server/settings.ts'
import { type RunningServer, startServer } from '../../../src/server/start.ts'
import { Browser, type Visit } from './browser.ts'

export const PASSWORD = 'correct horse battery'
export const CALLBACK = 'http://127.0.0.1:45678/callback'

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly expires_in: number
}

export interface Refusal {
  readonly error: string
  readonly error_description?: string
}

export interface OpenIssuer {
  readonly server: RunningServer
  readonly url: string
  readonly issuer: string
  readonly audience: string
  /** The administrator's API key. */
  readonly key: string
  logText(): string
  /** Moves the server's clock, which what it stores is measured with. */
  advance(ms: number): void
  addUser(login: string, permissions?: readonly Permission[], organization?: string): Promise<string>
  call<T = Record<string, unknown>>(
    path: string,
    token: string,
    options?: RequestInit,
  ): Promise<{ status: number; body: T; headers: Headers }>
  token(form: Readonly<Record<string, string>>): Promise<{ status: number; body: Tokens & Refusal }>
  /** A login as imgctl does it, through the pages. */
  logIn(login: string, browser?: Browser): Promise<Tokens>
  refresh(token: string): Promise<{ status: number; body: Tokens & Refusal }>
}

/** A real server in a folder of its own, closed with the test. */
export async function openIssuer(
  chosen: Partial<ChosenSettings> = {},
  dataDir?: string,
): Promise<OpenIssuer> {
  const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'imgctl-issuer-')))
  let offset = 0
  let logged = ''
  const write = (line: string) => {
    logged += line
  }
  const settings = serverSettings({ port: 0, dataDir: folder, logLevel: 'debug', ...chosen })
  const server = await startServer(settings, {
    log: createLog('debug', { write }),
    now: () => Date.now() + offset,
  })
  onTestFinished(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  const { url, context } = server
  const origin = context.origin() ?? url
  const issuer = `${origin}/oidc`
  const audience = `${origin}/api`
  const token: OpenIssuer['token'] = async (form) => {
    const response = await fetch(`${url}/oidc/token`, { method: 'POST', body: new URLSearchParams(form) })
    return { status: response.status, body: (await response.json()) as Tokens & Refusal }
  }
  return {
    server,
    url,
    issuer,
    audience,
    key: server.bootstrapKey ?? '',
    logText: () => logged,
    advance(ms) {
      offset += ms
    },
    token,
    async addUser(login, permissions = ['read:images', 'write:images'], organization = 'default') {
      const { userId } = await context.db
        .transaction()
        .execute((trx) => createAccount(trx, context.now(), { login }))
      await setPassword(context, userId, PASSWORD)
      if (permissions.length > 0) await setMembership(context.db, userId, organization, permissions)
      return userId
    },
    async call<T>(path: string, bearer: string, options: RequestInit = {}) {
      const headers = { authorization: `Bearer ${bearer}`, ...(options.headers as Record<string, string>) }
      const response = await fetch(`${url}/api${path}`, { ...options, headers })
      const text = await response.text()
      return {
        status: response.status,
        body: (text === '' ? undefined : JSON.parse(text)) as T,
        headers: response.headers,
      }
    },
    async logIn(login, browser = new Browser({ from: origin, to: url })) {
      const request = authorizationRequest({ issuer, audience })
      const code = await allowedCode(browser, request.url, login)
      const { status, body } = await token(codeForm(code, request.verifier, audience))
      if (status !== 200) throw new Error(`token endpoint: ${status} ${JSON.stringify(body)}`)
      return body
    },
    refresh: (refreshToken) =>
      token({
        grant_type: 'refresh_token',
        client_id: 'imgctl',
        refresh_token: refreshToken,
        resource: audience,
      }),
  }
}

export interface AuthorizationRequest {
  readonly url: string
  readonly verifier: string
  readonly state: string
  readonly nonce: string
}

/** As imgctl makes it; `changed` parameters replace its own, undefined ones are left out. */
export function authorizationRequest(
  { issuer, audience }: { issuer: string; audience: string },
  changed: Readonly<Record<string, string | undefined>> = {},
): AuthorizationRequest {
  const verifier = randomBytes(32).toString('base64url')
  const [state, nonce] = [randomBytes(16).toString('base64url'), randomBytes(16).toString('base64url')]
  const parameters: Record<string, string | undefined> = {
    client_id: 'imgctl',
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid profile email offline_access',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state,
    nonce,
    resource: audience,
    audience,
    ...changed,
  }
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return { url: `${issuer}/auth?${new URLSearchParams(given)}`, verifier, state, nonce }
}

export function codeForm(code: string, verifier: string, audience: string): Record<string, string> {
  return {
    grant_type: 'authorization_code',
    client_id: 'imgctl',
    code,
    code_verifier: verifier,
    redirect_uri: CALLBACK,
    resource: audience,
  }
}

/** Goes through login and consent. @returns where the browser was sent */
export async function allow(browser: Browser, url: string, login: string): Promise<Visit> {
  let page = await browser.get(url)
  if (page.text.includes('Log in</h1>')) {
    page = await browser.submit(page, { action: 'login', login, password: PASSWORD })
  }
  return browser.submit(page, { action: 'allow' })
}

export async function allowedCode(browser: Browser, url: string, login: string): Promise<string> {
  const end = await allow(browser, url, login)
  const code = new URL(end.url).searchParams.get('code')
  if (code === null) throw new Error(`no code: ${end.status} ${end.url}\n${end.text}`)
  return code
}
