import { UnsecuredJWT } from 'jose'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Permission } from '../../../src/contract/identity.ts'
import { setMembership } from '../../../src/server/identity/memberships.ts'
import { listUsers, setUserEnabled } from '../../../src/server/identity/users.ts'
import { openIssuer } from './open-issuer.ts'
import { AUDIENCE, CLIENT, type OtherIssuer, openOtherIssuer, type Shape } from './other-issuer.ts'

const KEYCLOAK: Shape = { algorithm: 'RS256', path: '/realms/main' }

interface More {
  readonly defaultPermissions?: readonly Permission[]
  readonly admins?: readonly string[]
}

function openWith({ issuer }: OtherIssuer, { defaultPermissions = ['read:images'], admins = [] }: More = {}) {
  return openIssuer({ oidc: { issuer, clientId: CLIENT, audience: AUDIENCE, defaultPermissions, admins } })
}

describe('the tokens of another issuer', () => {
  it.each<[string, Shape]>([
    ['Keycloak', KEYCLOAK],
    ['Auth0', { algorithm: 'RS256', path: '/' }],
    ['Dex', { algorithm: 'ES256', path: '/dex' }],
    ['one with PSS', { algorithm: 'PS256', path: '' }],
    ['one with EdDSA', { algorithm: 'EdDSA', path: '' }],
  ])('are taken from %s, and its login is announced', async (_, shape) => {
    const other = await openOtherIssuer(shape)
    const open = await openWith(other)
    const config = await (await fetch(`${open.url}/api/config`)).json()
    expect(config).toMatchObject({ oidc: { issuer: other.issuer, clientId: CLIENT, audience: AUDIENCE } })
    const token = await other.sign({ preferred_username: 'alice' })
    for (let times = 0; times < 3; times++) {
      expect(await open.call('/users/me', token)).toMatchObject({
        status: 200,
        body: { name: 'alice', organization: { slug: 'default' }, permissions: ['read:images'] },
      })
    }
    expect(other.keyRequests()).toBe(1)
    // Its own issuer is not there: one server, one place to log in.
    expect((await fetch(`${open.url}/oidc/.well-known/openid-configuration`)).status).toBe(404)
  })

  it('are refused when anything about them is wrong', async () => {
    // What is 31 s away now must still be when it is asked for.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other)
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: other.issuer, aud: AUDIENCE, sub: 'auth0|1234', exp: now + 600 }
    const hs256 = async () => {
      const { SignJWT } = await import('jose')
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 'k'))
    }
    const wrong: Record<string, string> = {
      audience: await other.sign({ aud: 'https://other.example/api' }),
      issuer: await other.sign({ iss: `${other.issuer}/` }),
      'another client': await other.sign({ azp: 'somebody-else' }),
      'another client, RFC 9068': await other.sign({ azp: undefined, client_id: 'somebody-else' }),
      expired: await other.sign({ exp: now - 31 }),
      'not valid yet': await other.sign({ nbf: now + 31 }),
      'no expiry': await other.sign({ exp: undefined }),
      'no subject': await other.sign({ sub: undefined }),
      'foreign key': await other.sign({}, {}, await other.foreignKey()),
      'alg none': new UnsecuredJWT(claims).encode(),
      'shared secret': await hs256(),
      'no token': 'a.b.c',
      long: `${'a'.repeat(8_200)}.b.c`,
    }
    for (const [name, token] of Object.entries(wrong)) {
      const { status, body } = await open.call('/users/me', token)
      expect([name, status, body['code']]).toEqual([name, 401, 'AUTH_REQUIRED'])
    }
    expect(await listUsers(open.server.context.db)).toHaveLength(1)
    // Clocks differ a little.
    expect((await open.call('/users/me', await other.sign({ exp: now - 20 }))).status).toBe(200)
    expect((await open.call('/users/me', await other.sign({ nbf: now + 20 }))).status).toBe(200)
  })

  it('are taken with its next key, which is looked for no more than now and then', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other)
    const old = await other.sign()
    expect((await open.call('/users/me', old)).status).toBe(200)
    await other.rotate()
    const made = await other.sign({}, { kid: 'made-up' })
    for (let times = 0; times < 5; times++) expect((await open.call('/users/me', made)).status).toBe(401)
    expect(other.keyRequests()).toBe(1)
    const time = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 31_000)
    onTestFinished(() => time.mockRestore())
    expect((await open.call('/users/me', await other.sign())).status).toBe(200)
    expect((await open.call('/users/me', old)).status).toBe(401)
    expect(other.keyRequests()).toBe(2)
  })

  it('wait for an issuer that is down, without asking it for every request', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other)
    const token = await other.sign()
    other.fail(true)
    for (let times = 0; times < 3; times++) {
      const { status, body } = await open.call('/users/me', token)
      expect([status, body['code']]).toEqual([504, 'TIMEOUT'])
    }
    // API keys need no issuer.
    expect((await open.call('/users/me', open.key)).status).toBe(200)
    other.fail(false)
    open.advance(6_000)
    expect((await open.call('/users/me', token)).status).toBe(200)
  })

  it('are refused when the issuer says that it is another', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const lying = { ...other, issuer: `${other.issuer}/` }
    const open = await openWith(lying)
    const answer = await open.call('/users/me', await other.sign({ iss: lying.issuer }))
    expect(answer.status).toBe(504)
    expect(open.logText()).toContain('the document is of the issuer')
  })
})

describe('a user of another issuer', () => {
  it('is made once, by issuer and subject, and not by an e-mail address', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other)
    const claims = { email: 'a@example.com', email_verified: true, name: 'Alice' }
    const token = await other.sign(claims)
    await Promise.all(Array.from({ length: 5 }, () => open.call('/users/me', token)))
    await open.call('/users/me', await other.sign({ ...claims, sub: 'other' }))
    const users = await listUsers(open.server.context.db)
    expect(users.filter(({ issuer }) => issuer === other.issuer)).toMatchObject([
      { login: null, name: 'Alice', email: 'a@example.com', state: 'active' },
      { login: null, name: 'Alice', email: 'a@example.com', state: 'active' },
    ])
    // That they were let in is in the audit log, as when the operator does it.
    const entries = await open.server.context.db.selectFrom('audit_log').selectAll().execute()
    const added = users.slice(-2).map(({ id }) => `user.add issuer ${id}: read:images`)
    expect(entries.map(({ action, userName, target }) => `${action} ${userName} ${target}`).sort()).toEqual(
      added.sort(),
    )
    expect(entries.every(({ organizationId }) => organizationId !== null)).toBe(true)
  })

  it('may do nothing until somebody lets them in, by default', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other, { defaultPermissions: [] })
    const token = await other.sign()
    const answer = await open.call('/users/me', token)
    expect([answer.status, answer.body['code']]).toEqual([403, 'FORBIDDEN'])
    expect((await open.call('/organizations', token)).body).toEqual([])
    const { db } = open.server.context
    const { id } = (await listUsers(db)).find(({ login }) => login === null)!
    await setMembership(db, id, 'default', ['write:images'])
    expect((await open.call('/users/me', token)).body).toMatchObject({ permissions: ['write:images'] })
    await setUserEnabled(db, id, false, Date.now())
    expect((await open.call('/users/me', token)).status).toBe(401)
  })

  it.each([
    ['by subject', { sub: 'boss' }, true],
    ['by verified address', { email: 'Boss@Example.com', email_verified: true }, true],
    ['by an address that is not verified', { email: 'boss@example.com' }, false],
    ['by an address that says it is not', { email: 'boss@example.com', email_verified: false }, false],
    ['by name', { name: 'boss@example.com', preferred_username: 'boss' }, false],
  ])('is an administrator when named %s: %j is %s', async (_, claims, expected) => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other, { admins: ['boss', 'boss@example.com'] })
    const { body } = await open.call<{ permissions: string[] }>('/users/me', await other.sign(claims))
    expect(body.permissions.includes('admin')).toBe(expected)
  })

  it('pushes by push access, and stops when disabled', async () => {
    const other = await openOtherIssuer(KEYCLOAK)
    const open = await openWith(other, { defaultPermissions: ['read:images', 'write:images'] })
    const access = await open.call<{ secret: string }>(
      '/docker-registry/registry-push-access',
      await other.sign(),
    )
    const start = () =>
      fetch(`${open.url}/v2/default/app/blobs/uploads/`, {
        method: 'POST',
        headers: { authorization: `Bearer ${access.body.secret}` },
      })
    expect((await start()).status).toBe(202)
    const { db } = open.server.context
    const { id } = (await listUsers(db)).find(({ login }) => login === null)!
    await setUserEnabled(db, id, false, Date.now())
    expect((await start()).status).toBe(401)
  })
})

describe('the settings', () => {
  it.each(['http://id.example', 'ftp://id.example', 'id.example', 'https://id.example/?a=b'])(
    'refuse %s as an issuer',
    async (issuer) => {
      const oidc = { issuer, clientId: 'c', audience: 'a', defaultPermissions: [], admins: [] }
      await expect(openIssuer({ oidc })).rejects.toMatchObject({ code: 'USAGE' })
    },
  )
})
