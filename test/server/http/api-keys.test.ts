import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  API_KEY,
  type ApiKey,
  type Me,
  type Organization,
  type Permission,
} from '../../../src/contract/identity.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { addUser, type OpenApp, openApp } from './open-app.ts'

const HOUR_MS = 3_600_000
let app: OpenApp

beforeAll(async () => {
  app = await openApp()
})
afterAll(() => app.close())

async function newKey(name: string, permissions: Permission[], expiresAt?: string, key = app.key) {
  const answer = await app.call('POST', '/api/api-keys', { key, body: { name, permissions, expiresAt } })
  expect(answer.status).toBe(201)
  return answer.as<ApiKey>()
}

describe('/users/me and /organizations', () => {
  it('say who asks', async () => {
    expect((await app.call('GET', '/api/users/me')).as<Me>()).toMatchObject({
      name: 'administrator',
      email: null,
      organization: { slug: 'default' },
      permissions: expect.arrayContaining(['admin', 'write:images']),
      keyName: 'first',
    })
  })

  it('name only the organization of the key', async () => {
    const { key } = await addUser(app.ctx.db, 'other', ['read:images'])
    const organizations = (await app.call('GET', '/api/organizations', { key })).as<Organization[]>()
    expect(organizations.map(({ slug }) => slug)).toEqual(['other'])
  })
})

describe('/api-keys', () => {
  it('makes a key that works, and shows its value this one time', async () => {
    const made = await newKey('ci', ['read:images'])
    expect(made.value).toMatch(API_KEY)
    expect((await app.call('GET', '/api/users/me', { key: made.value })).as<Me>()).toMatchObject({
      keyName: 'ci',
      permissions: ['read:images'],
    })
    const listed = await app.call('GET', '/api/api-keys')
    const one = await app.call('GET', '/api/api-keys/ci')
    expect(listed.as<ApiKey[]>()).toContainEqual(one.as<ApiKey>())
    expect(one.as<ApiKey>().value).toBe(`img_${'*'.repeat(20)}${made.value.slice(-3)}`)
    expect(listed.text + one.text + app.logText()).not.toContain(made.value)
    const rows = JSON.stringify(await app.ctx.db.selectFrom('api_keys').selectAll().execute())
    expect(rows).not.toContain(made.value)
  })

  it('tells a key about itself', async () => {
    const { value } = await newKey('itself', ['read:images'])
    const answer = await app.call('GET', '/api/api-keys/current', { key: value })
    expect(answer.as<ApiKey>()).toMatchObject({ name: 'itself', lastUsedAt: expect.any(String) })
  })

  it('ends a revoked key at once', async () => {
    const { value } = await newKey('brief', ['read:images'])
    const revoked = await app.call('DELETE', '/api/api-keys/brief')
    expect([revoked.status, revoked.text]).toEqual([204, ''])
    expect((await app.call('GET', '/api/users/me', { key: value })).status).toBe(401)
    const again = await app.call('DELETE', '/api/api-keys/brief', {
      headers: { 'content-type': 'application/json' },
    })
    expect(again.as<ApiError>()).toMatchObject({ statusCode: 404, code: 'NOT_FOUND' })
  })

  it('ends the keys that a revoked key made, and that those made', async () => {
    const leaked = await newKey('leaked', ['read:images'])
    const child = await newKey('child', ['read:images'], undefined, leaked.value)
    const grandchild = await newKey('grandchild', ['read:images'], undefined, child.value)
    const sibling = await newKey('sibling', ['read:images'])
    expect((await app.call('DELETE', '/api/api-keys/leaked')).status).toBe(204)
    const status = async ({ value }: ApiKey) =>
      (await app.call('GET', '/api/users/me', { key: value })).status
    expect(await Promise.all([leaked, child, grandchild, sibling].map(status))).toEqual([401, 401, 401, 200])
  })

  it('ends a key at its time', async () => {
    const { value } = await newKey(
      'for an hour',
      ['read:images'],
      new Date(app.ctx.now() + HOUR_MS).toISOString(),
    )
    expect((await app.call('GET', '/api/users/me', { key: value })).status).toBe(200)
    app.advance(HOUR_MS)
    expect((await app.call('GET', '/api/users/me', { key: value })).status).toBe(401)
  })

  it('writes the last use down once a minute', async () => {
    const { value } = await newKey('used', ['read:images'])
    const lastUsed = async () => (await app.call('GET', '/api/api-keys/used')).as<ApiKey>().lastUsedAt
    const use = () => app.call('GET', '/api/users/me', { key: value })
    expect(await lastUsed()).toBeNull()
    await use()
    const first = await lastUsed()
    app.advance(59_000)
    await use()
    expect(await lastUsed()).toBe(first)
    app.advance(2_000)
    await use()
    expect(await lastUsed()).not.toBe(first)
  })

  it.each([
    ['a name in use', { name: 'first', permissions: ['admin'] }, 409, 'CONFLICT'],
    ['the reserved name', { name: 'current', permissions: ['admin'] }, 400, 'BAD_REQUEST'],
    ['a name of spaces', { name: '  ', permissions: ['admin'] }, 400, 'BAD_REQUEST'],
    ['a control character', { name: 'a\u001b[2Jb', permissions: ['admin'] }, 400, 'BAD_REQUEST'],
    ['no permission', { name: 'x', permissions: [] }, 400, 'BAD_REQUEST'],
    ['an unknown permission', { name: 'x', permissions: ['root'] }, 400, 'BAD_REQUEST'],
    ['an unknown field', { name: 'x', permissions: ['admin'], userId: '1' }, 400, 'BAD_REQUEST'],
    [
      'a time that is past',
      { name: 'x', permissions: ['admin'], expiresAt: '2020-01-01T00:00:00Z' },
      400,
      'BAD_REQUEST',
    ],
    ['no time at all', { name: 'x', permissions: ['admin'], expiresAt: 'tomorrow' }, 400, 'BAD_REQUEST'],
  ])('refuses %s', async (_, body, statusCode, code) => {
    const before = (await app.call('GET', '/api/api-keys')).as<ApiKey[]>()
    const answer = await app.call('POST', '/api/api-keys', { body })
    expect(answer.as<ApiError>()).toMatchObject({ statusCode, code })
    expect((await app.call('GET', '/api/api-keys')).as<ApiKey[]>()).toHaveLength(before.length)
  })

  it('lets a key pass on no more than it has, and not outlive it', async () => {
    const expiresAt = new Date(app.ctx.now() + HOUR_MS).toISOString()
    const { value } = await newKey('limited', ['read:images'], expiresAt)
    const ask = async (permissions: Permission[], until?: string) => {
      const body = { name: `by limited ${permissions} ${until}`, permissions, expiresAt: until }
      return app.call('POST', '/api/api-keys', { key: value, body })
    }
    expect((await ask(['write:images'])).as<ApiError>()).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('write:images'),
    })
    const later = new Date(app.ctx.now() + 2 * HOUR_MS).toISOString()
    expect((await ask(['read:images'], later)).as<ApiError>()).toMatchObject({ code: 'FORBIDDEN' })
    expect((await ask(['read:images'])).as<ApiKey>().expiresAt).toBe(expiresAt)
  })

  it('lets a key revoke only what can do no more than it', async () => {
    const { value } = await newKey('small', ['read:images'])
    const answer = await app.call('DELETE', '/api/api-keys/first', { key: value })
    expect(answer.as<ApiError>()).toMatchObject({ statusCode: 403, code: 'FORBIDDEN' })
    expect((await app.call('DELETE', '/api/api-keys/small', { key: value })).status).toBe(204)
  })

  it("does not know another organization's keys", async () => {
    const { key } = await addUser(app.ctx.db, 'elsewhere', ['admin'])
    const names = (await app.call('GET', '/api/api-keys', { key })).as<ApiKey[]>().map(({ name }) => name)
    expect(names).toEqual(['own'])
    expect((await app.call('GET', '/api/api-keys/first', { key })).status).toBe(404)
    expect((await app.call('DELETE', '/api/api-keys/first', { key })).status).toBe(404)
    expect((await app.call('GET', '/api/users/me')).status).toBe(200)
  })

  it('gives a key no more than its user may do today', async () => {
    const { key } = await addUser(app.ctx.db, 'shrinking', ['admin'])
    const { organization, id } = (await app.call('GET', '/api/users/me', { key })).as<Me>()
    const membership = app.ctx.db.updateTable('memberships').where('userId', '=', id)
    await membership.set({ permissionsJson: '["read:images"]' }).execute()
    expect((await app.call('GET', '/api/users/me', { key })).as<Me>().permissions).toEqual([])
    await app.ctx.db.deleteFrom('memberships').where('organizationId', '=', organization.id).execute()
    expect((await app.call('GET', '/api/users/me', { key })).status).toBe(401)
  })
})
