import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { Browser } from './browser.ts'
import { allow, authorizationRequest, CALLBACK, codeForm, openIssuer, PASSWORD } from './open-issuer.ts'

it('logs in with a password and gives tokens that the API takes', async () => {
  const open = await openIssuer()
  await open.addUser('alice', ['read:images'])
  const config = await (await fetch(`${open.url}/api/config`)).json()
  expect(config).toMatchObject({
    oidc: { issuer: open.issuer, clientId: 'imgctl', audience: open.audience },
  })
  const tokens = await open.logIn('alice')
  expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
  expect(decodeJwt(tokens.access_token)).toMatchObject({ iss: open.issuer, aud: open.audience })
  expect(tokens.expires_in).toBe(900)
  const keys = createLocalJWKSet((await (await fetch(`${open.issuer}/jwks`)).json()) as JSONWebKeySet)
  const { payload } = await jwtVerify(tokens.id_token, keys, { issuer: open.issuer, audience: 'imgctl' })
  expect(payload).toMatchObject({ preferred_username: 'alice', name: 'alice' })
  expect(await open.call('/users/me', tokens.access_token)).toMatchObject({
    status: 200,
    body: { name: 'alice', permissions: ['read:images'], keyName: null, organization: { slug: 'default' } },
  })
})

it('answers state, nonce and issuer to the program on any port of 127.0.0.1', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const redirect = 'http://127.0.0.1:50123/callback'
  const request = authorizationRequest(open, { redirect_uri: redirect })
  const end = new URL((await allow(new Browser(), request.url, 'alice')).url)
  expect(`${end.origin}${end.pathname}`).toBe(redirect)
  expect(end.searchParams.get('state')).toBe(request.state)
  expect(end.searchParams.get('iss')).toBe(open.issuer)
  const form = codeForm(end.searchParams.get('code')!, request.verifier, open.audience)
  const { body } = await open.token({ ...form, redirect_uri: redirect })
  expect(decodeJwt(body.id_token)['nonce']).toBe(request.nonce)
})

it('says that the login was cancelled, before and after the password', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const browser = new Browser()
  const request = authorizationRequest(open)
  const refused = await browser.submit(await browser.get(request.url), { action: 'deny' })
  expect(new URL(refused.url).searchParams.get('error')).toBe('access_denied')
  expect(new URL(refused.url).searchParams.get('state')).toBe(request.state)

  const page = await browser.get(authorizationRequest(open).url)
  const consent = await browser.submit(page, { action: 'login', login: 'alice', password: PASSWORD })
  expect(consent.text).toContain('Allow imgctl?')
  const denied = await browser.submit(consent, { action: 'deny' })
  expect(new URL(denied.url).searchParams.get('error')).toBe('access_denied')
  expect(denied.url.startsWith(CALLBACK)).toBe(true)
})

it('goes on as who is logged in, after asking, or as someone else', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  await open.addUser('bob', ['read:images'])
  const browser = new Browser()
  await open.logIn('alice', browser)

  const again = await browser.get(authorizationRequest(open).url)
  expect(again.text).toContain('Logged in as <strong>alice</strong>')
  const other = await browser.submit(again, { action: 'switch' })
  expect(other.text).toContain('Log in</h1>')
  const asBob = await browser.submit(other, { action: 'login', login: 'Bob ', password: PASSWORD })
  expect(asBob.text).toContain('Logged in as <strong>bob</strong>')
  const request = authorizationRequest(open)
  const end = await browser.submit(await browser.get(request.url), { action: 'allow' })
  const code = new URL(end.url).searchParams.get('code')!
  const { body } = await open.token(codeForm(code, request.verifier, open.audience))
  expect((await open.call('/users/me', body.access_token)).body).toMatchObject({ name: 'bob' })
})

it('gives every login a life of its own', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const browser = new Browser()
  const [first, second] = [await open.logIn('alice', browser), await open.logIn('alice', browser)]
  await fetch(`${open.issuer}/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'imgctl', token: first.refresh_token }),
  })
  expect((await open.call('/users/me', first.access_token)).status).toBe(401)
  expect((await open.refresh(first.refresh_token)).body.error).toBe('invalid_grant')
  expect((await open.call('/users/me', second.access_token)).status).toBe(200)
  expect((await open.refresh(second.refresh_token)).status).toBe(200)
})

it('uses the public URL and not what a client says', async () => {
  const open = await openIssuer({ publicUrl: 'https://images.example' })
  const discovery = await fetch(`${open.url}/oidc/.well-known/openid-configuration`, {
    headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
  })
  const urls = Object.values((await discovery.json()) as object).filter((each) =>
    /^https?:/.test(String(each)),
  )
  expect(urls.length).toBeGreaterThan(5)
  expect(urls.filter((each) => !String(each).startsWith('https://images.example/oidc'))).toEqual([])
  const page = await fetch(authorizationRequest(open).url.replace(open.issuer, `${open.url}/oidc`), {
    redirect: 'manual',
  })
  expect(page.headers.get('location')).toMatch(/^\/oidc\/login\/|^https:\/\/images\.example\/oidc\/login\//)
  expect(page.headers.getSetCookie().every((cookie) => /; secure/i.test(cookie))).toBe(true)
  expect(page.headers.get('strict-transport-security')).toContain('max-age')
})

it('answers in the redirect only, as it says', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const discovery = await fetch(`${open.issuer}/.well-known/openid-configuration`)
  expect(await discovery.json()).toMatchObject({
    response_modes_supported: ['query'],
    response_types_supported: ['code'],
  })
  for (const mode of ['form_post', 'fragment', 'web_message', 'jwt']) {
    const { url, state } = authorizationRequest(open, { response_mode: mode })
    const answer = await fetch(url, { redirect: 'manual' })
    const target = answer.headers.get('location') ?? ''
    expect([mode, answer.status, target.startsWith(CALLBACK), target]).toEqual([mode, 303, true, target])
    const said = new URL(target).searchParams
    expect([said.get('error'), said.get('state')]).toEqual(['unsupported_response_mode', state])
  }
  const end = await allow(new Browser(), authorizationRequest(open, { response_mode: 'query' }).url, 'alice')
  expect(new URL(end.url).searchParams.get('code')).toBeTruthy()
})

it('has no issuer where it does not know its address', async () => {
  const open = await openIssuer({ host: '0.0.0.0', insecureHttp: true })
  const config = (await (await fetch(`${open.url}/api/config`)).json()) as { oidc: unknown }
  expect(config.oidc).toBeNull()
  expect(open.server.setupLink).toBeUndefined()
  const answer = await fetch(`${open.url}/oidc/.well-known/openid-configuration`)
  expect(answer.status).toBe(404)
  expect(await answer.text()).toContain('--public-url')
})

it('sends pages that nothing can be slipped into', async () => {
  const open = await openIssuer()
  const page = await new Browser().get(authorizationRequest(open).url)
  expect(page.headers.get('cache-control')).toBe('no-store')
  expect(page.headers.get('x-frame-options')).toBe('DENY')
  const policy = page.headers.get('content-security-policy')
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("form-action 'self' http://127.0.0.1:45678")
  expect(policy).not.toContain('unsafe')
  expect(page.text).not.toMatch(/<script|style="|onclick/)
  expect(page.text).toContain('<html lang="en">')
})

it('says when there are too many requests', async () => {
  const limits = { imageBytes: 1, imagesPerOrganization: 1, requestsPerMinute: { key: 100, address: 3 } }
  const open = await openIssuer({ limits })
  const statuses: number[] = []
  let page = await new Browser().get(`${open.issuer}/setup`)
  for (statuses.push(page.status); statuses.length < 4; statuses.push(page.status)) {
    page = await new Browser().get(`${open.issuer}/setup`)
  }
  expect(statuses).toEqual([410, 410, 410, 429])
  expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(page.text).toContain('Too many requests')
  const { status, body } = await open.refresh('a token')
  expect([status, body.error]).toEqual([429, 'temporarily_unavailable'])
})

it('keeps logins and keys over a restart', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'imgctl-issuer-'))
  const publicUrl = 'http://127.0.0.1:7799'
  const first = await openIssuer({ publicUrl }, dataDir)
  await first.addUser('alice')
  const jwks = await (await fetch(`${first.url}/oidc/jwks`)).json()
  const tokens = await first.logIn('alice')
  await first.server.close()
  const second = await openIssuer({ publicUrl }, dataDir)
  expect(await (await fetch(`${second.url}/oidc/jwks`)).json()).toEqual(jwks)
  expect((await second.call('/users/me', tokens.access_token)).status).toBe(200)
  expect((await second.refresh(tokens.refresh_token)).status).toBe(200)
})

it('is in the audit log of the organization', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  await open.logIn('alice')
  const { body } = await open.call<{ items: object[] }>('/audit?action=user', open.key)
  expect(body.items).toMatchObject([{ action: 'user.login', user: 'alice', target: 'alice', key: null }])
})
