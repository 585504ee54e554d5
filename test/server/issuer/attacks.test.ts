import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { Browser } from './browser.ts'
import {
  allowedCode,
  authorizationRequest,
  codeForm,
  type OpenIssuer,
  openIssuer,
  PASSWORD,
} from './open-issuer.ts'

describe('an authorization request', () => {
  it.each([
    ['of an unknown program', { client_id: 'other' }, 'not known to this server'],
    ['that leads elsewhere', { redirect_uri: 'https://evil.example/callback' }, 'may not have it at'],
    ['that leads to another path', { redirect_uri: 'http://127.0.0.1:45678/other' }, 'may not have it at'],
    ['that leads to a name', { redirect_uri: 'http://localhost:45678/callback' }, 'may not have it at'],
  ])('%s gets a page, and is sent nowhere', async (_, changed, words) => {
    const open = await openIssuer()
    const page = await new Browser().get(authorizationRequest(open, changed).url)
    expect(page.status).toBe(400)
    expect(page.url.startsWith(open.issuer)).toBe(true)
    expect(page.text).toContain(words)
  })

  it.each([
    ['without PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['for another API', { resource: 'https://other.example/api' }, 'invalid_target'],
    ['for an implicit token', { response_type: 'id_token token' }, 'unsupported_response_type'],
  ])('%s is refused before anybody is asked', async (_, changed, error) => {
    const open = await openIssuer()
    const end = new URL((await new Browser().get(authorizationRequest(open, changed).url)).url)
    const answer = new URLSearchParams(end.search || end.hash.slice(1))
    expect([end.origin, answer.get('error')]).toEqual(['http://127.0.0.1:45678', error])
  })
})

describe('a code', () => {
  it('is worth nothing with a wrong verifier, client or redirect URI', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const wrong: [Record<string, string>, string][] = [
      [{ code_verifier: 'a'.repeat(43) }, 'invalid_grant'],
      [{ client_id: 'other' }, 'invalid_client'],
      [{ redirect_uri: 'http://127.0.0.1:1/callback' }, 'invalid_grant'],
    ]
    for (const [changed, error] of wrong) {
      const request = authorizationRequest(open)
      const code = await allowedCode(new Browser(), request.url, 'alice')
      const answer = await open.token({ ...codeForm(code, request.verifier, open.audience), ...changed })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.body.error).toBe(error)
    }
  })

  it('used twice ends the login that it made', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const request = authorizationRequest(open)
    const form = codeForm(
      await allowedCode(new Browser(), request.url, 'alice'),
      request.verifier,
      open.audience,
    )
    const { body: tokens } = await open.token(form)
    expect((await open.call('/users/me', tokens.access_token)).status).toBe(200)
    expect((await open.token(form)).body.error).toBe('invalid_grant')
    expect((await open.call('/users/me', tokens.access_token)).status).toBe(401)
    expect((await open.refresh(tokens.refresh_token)).body.error).toBe('invalid_grant')
  })
})

describe('a form', () => {
  it.each([[{ csrf: '' }], [{ csrf: 'wrong' }]])('with the token %j is not accepted', async (changed) => {
    const open = await openIssuer()
    await open.addUser('alice')
    const browser = new Browser()
    const page = await browser.get(authorizationRequest(open).url)
    const typed = { action: 'login', login: 'alice', password: PASSWORD }
    const refused = await browser.submit(page, { ...typed, ...changed })
    expect([refused.status, refused.text.includes('The form was not accepted')]).toEqual([403, true])
    const consent = await browser.submit(page, typed)
    expect((await browser.submit(consent, { action: 'allow', ...changed })).status).toBe(403)
  })

  it('of another login, or without its cookie, is not accepted', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const [browser, attacker] = [new Browser(), new Browser()]
    const page = await browser.get(authorizationRequest(open).url)
    const theirs = await attacker.get(authorizationRequest(open).url)
    const typed = { action: 'login', login: 'alice', password: PASSWORD }
    const csrf = /name="csrf" value="([^"]+)"/.exec(theirs.text)![1]!
    expect((await browser.submit(page, { ...typed, csrf })).status).toBe(403)
    const stolen = await new Browser().submit(page, typed)
    expect([stolen.status, stolen.text.includes('This login has ended')]).toEqual([400, true])
  })
})

describe('a bearer token', () => {
  const tokenOf = async (open: OpenIssuer, changed: object, sign?: (jwt: SignJWT) => Promise<string>) => {
    const { access_token: good } = await open.logIn('alice')
    const [head = '', body = ''] = good.split('.').map((part) => Buffer.from(part, 'base64url').toString())
    const claims = { ...JSON.parse(body), ...changed }
    const { privateKey } = await generateKeyPair('ES256')
    const jwt = new SignJWT(claims).setProtectedHeader(JSON.parse(head))
    return { good, forged: sign ? await sign(jwt) : await jwt.sign(privateKey), claims }
  }
  const ownKey = async ({ server }: OpenIssuer) => {
    const { importJWK } = await import('jose')
    const row = await server.context.db.selectFrom('signing_keys').selectAll().executeTakeFirstOrThrow()
    return importJWK(JSON.parse(server.context.keys.unseal(row.sealed)), 'ES256')
  }

  it('is not believed with another key, or with none', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const { good, forged, claims } = await tokenOf(open, {})
    expect((await open.call('/users/me', good)).status).toBe(200)
    expect((await open.call('/users/me', forged)).status).toBe(401)
    const none = new UnsecuredJWT(claims).encode()
    for (const token of [none, `${none}x`, good.replace(/\.[^.]+$/, '.'), `${good.slice(0, -8)}AAAAAAAA`]) {
      const answer = await open.call('/users/me', token)
      expect([answer.status, answer.body['code']]).toEqual([401, 'AUTH_REQUIRED'])
    }
  })

  it.each([
    ['for another audience', { aud: 'https://other.example/api' }],
    ['of another issuer', { iss: 'https://evil.example/oidc' }],
    ['that has expired', { exp: Math.floor(Date.now() / 1000) - 60 }],
    ['that is not valid yet', { nbf: Math.floor(Date.now() / 1000) + 600 }],
    ['of another client', { client_id: 'other' }],
    ['of a login that is none', { grant: 'made-up' }],
    ['without a subject', { sub: undefined }],
  ])('%s is refused, though the signature is right', async (_, changed) => {
    const open = await openIssuer()
    await open.addUser('alice')
    const key = await ownKey(open).catch(() => undefined)
    const sign = async (jwt: SignJWT) => jwt.sign(key ?? (await ownKey(open)))
    const control = await tokenOf(open, {}, sign)
    expect((await open.call('/users/me', control.forged)).status).toBe(200)
    const { forged } = await tokenOf(open, changed, sign)
    expect((await open.call('/users/me', forged)).status).toBe(401)
  })

  it('says in its header that it is one', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const { claims } = await tokenOf(open, {})
    const key = await ownKey(open)
    const sign = (typ: string) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ }).sign(key)
    expect((await open.call('/users/me', await sign('at+jwt'))).status).toBe(200)
    for (const typ of ['JWT', 'logout+jwt']) {
      expect((await open.call('/users/me', await sign(typ))).status).toBe(401)
    }
  })

  it('cannot be an ID token, or a token of the registry', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const { id_token: idToken, access_token: token } = await open.logIn('alice')
    expect((await open.call('/users/me', idToken)).status).toBe(401)
    const access = await open.call<{ secret: string }>('/docker-registry/registry-push-access', token)
    expect(access.status).toBe(200)
    expect((await open.call('/users/me', access.body.secret)).status).toBe(401)
  })
})
