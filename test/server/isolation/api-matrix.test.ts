import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Permission } from '../../../src/contract/identity.ts'
import { API_ROWS, type Row } from './api-rows.ts'
import { routesOf } from './route-table.ts'
import { KEY_PERMISSIONS, openWorld, type World } from './world.ts'

/** These authenticate by themselves: registry-matrix.test.ts. */
const REGISTRY = /^\S+ \/(?:v2|api\/registry)\b/
let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('every route has a row, and every row a route', () => {
  const routes = routesOf(world.app).filter((route) => !REGISTRY.test(route))
  expect(routes.filter((route) => !route.startsWith('HEAD ')).sort()).toEqual(Object.keys(API_ROWS).sort())
})

interface Outcome {
  readonly status: number
  readonly path: string
  readonly text: string
  /** Whether what `default` has is other than before. */
  readonly changed: boolean
}

async function tryAs(method: string, { request }: Row, key: string | null): Promise<Outcome> {
  const { path, ...rest } = await request(world)
  const before = await world.stored()
  const { status, text } = await world.call(method, path, { key, ...rest })
  return { status, path, text, changed: (await world.stored()) !== before }
}

/** Something that only `default` has, and that no answer to others may hold. */
async function secrets(): Promise<string[]> {
  const images = await world.ctx.db
    .selectFrom('images')
    .innerJoin('organizations', 'organizations.id', 'images.organizationId')
    .select(['images.id', 'images.digest'])
    .where('slug', '=', 'default')
    .execute()
  const registries = await world.ctx.db
    .selectFrom('registries')
    .innerJoin('organizations', 'organizations.id', 'registries.organizationId')
    .select('registries.id')
    .where('slug', '=', 'default')
    .execute()
  return [...images.flatMap(({ id, digest }) => [id, digest ?? id]), ...registries.map(({ id }) => id)]
}

const cases = Object.entries(API_ROWS).flatMap(([route, row]) => {
  const [method = '', pattern = ''] = route.split(' ')
  const methods = method === 'GET' ? ['GET', 'HEAD'] : [method]
  return methods.map((each) => [`${each} ${pattern}`, each, row] as const)
})

describe.each(cases)('%s', (route, method, row) => {
  const pattern = route.split(' ')[1]!
  const { needs, ok, stranger } = row
  const open = needs === 'public'
  const permission = needs === 'public' || needs === 'any' ? undefined : needs

  test('nobody, and a key that is none', async () => {
    const invalid = [
      'wrong',
      `img_${'A'.repeat(43)}`,
      'img_',
      'x'.repeat(3000),
      await revokedKey(),
      await expiredKey(),
    ]
    for (const key of [null, ...invalid]) {
      const { status, changed } = await tryAs(method, row, key)
      expect([key, status, changed]).toEqual([key, open ? ok : 401, false])
    }
  })

  test('what the registry gives out is no key', async () => {
    for (const key of await registrySecrets()) {
      expect((await tryAs(method, row, key)).status).toBe(open ? ok : 401)
    }
  })

  if (permission)
    test('a key that may do all but this', async () => {
      const key = await world.keyWith(KEY_PERMISSIONS.filter((each) => each !== permission))
      const { status, changed, text } = await tryAs(method, row, key)
      expect([status, changed]).toEqual([403, false])
      if (method !== 'HEAD') expect(JSON.parse(text)).toMatchObject({ code: 'FORBIDDEN' })
    })

  test('a key that may do this and nothing else, and an administrator', async () => {
    const own = permission ? [permission] : (['read:images'] as Permission[])
    for (const key of [await world.keyWith(own), world.key]) {
      expect((await tryAs(method, row, key)).status).toBe(ok)
    }
  })

  test("another organization's administrator", async () => {
    const { status, path: asked, changed, text } = await tryAs(method, row, world.stranger)
    expect([status, changed]).toEqual([stranger === 'own' ? ok : 404, false])
    // What was asked for is repeated, and tells nothing.
    const hidden = (await secrets()).filter((secret) => !asked.includes(secret))
    expect(hidden.filter((secret) => text.includes(secret))).toEqual([])
    if (stranger === 'absent' && method !== 'HEAD') {
      // What is not theirs looks like what is not there at all.
      const real = await row.request(world)
      const path = real.path.replace(/(?<=\/(?:images|docker-registry|api-keys)\/)[^/]+/, 'none')
      const absent = await world.call(method, path, { ...real, key: world.stranger })
      expect([absent.status, absent.as<{ code: string }>().code]).toEqual([404, JSON.parse(text).code])
    }
  })

  test('a logged-in user: as a key of the same permissions, in an organization of theirs', async () => {
    const own = permission ? [permission] : (['read:images'] as Permission[])
    const member = await world.tokenOf('default', own)
    const expected = row.withToken ?? ok
    expect((await tryAs(method, row, member)).status).toBe(expected)
    const elsewhere = await tryAs(method, row, await world.tokenOf('other', ['admin']))
    expect([elsewhere.status, elsewhere.changed]).toEqual([stranger === 'own' ? expected : 404, false])
    if (permission && expected === ok) {
      const others = KEY_PERMISSIONS.filter((each) => each !== permission)
      const lacking = await tryAs(method, row, await world.tokenOf('default', others))
      expect([lacking.status, lacking.changed]).toEqual([403, false])
    }
  })

  test('a logged-in user cannot name an organization of others', async () => {
    const { path, ...rest } = await row.request(world)
    const id = (
      await world.ctx.db
        .selectFrom('organizations')
        .select('id')
        .where('slug', '=', 'default')
        .executeTakeFirstOrThrow()
    ).id
    for (const organization of [id, 'default']) {
      const headers = { ...rest.headers, 'x-imgctl-organization-id': organization }
      const before = await world.stored()
      const answer = await world.call(method, path, {
        ...rest,
        headers,
        key: await world.tokenOf('other', ['admin']),
      })
      expect(answer.status).toBe(open || pattern === '/api/organizations' ? ok : 404)
      expect(await world.stored()).toBe(before)
      for (const secret of (await secrets()).filter((each) => !path.includes(each))) {
        expect(answer.text).not.toContain(secret)
      }
    }
  })

  test('an API key is refused where another organization than its own is named', async () => {
    const { path, ...rest } = await row.request(world)
    const headers = { ...rest.headers, 'x-imgctl-organization-id': 'other' }
    const before = await world.stored()
    const answer = await world.call(method, path, { ...rest, headers, key: world.key })
    expect(answer.status).toBe(open || pattern === '/api/organizations' ? ok : 403)
    expect(await world.stored()).toBe(before)
  })

  test('has the headers that keep browsers and caches from harm', async () => {
    const { path, ...rest } = await row.request(world)
    const { headers } = await world.call(method, path, { key: open ? null : world.key, ...rest })
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-powered-by')).toBeNull()
  })
})

async function revokedKey(): Promise<string> {
  const key = await world.keyWith(['admin'])
  await world.ctx.db.deleteFrom('api_keys').where('createdByKeyId', 'is not', null).execute()
  return key
}

async function expiredKey(): Promise<string> {
  const body = { name: `expired ${Math.random()}`, permissions: ['admin'], expiresAt: '2999-01-01T00:00:00Z' }
  const { value } = (await world.call('POST', '/api/api-keys', { body })).as<{ value: string }>()
  await world.ctx.db.updateTable('api_keys').set({ expiresAt: 1 }).where('name', '=', body.name).execute()
  return value
}

/** A push secret and a registry token of an administrator. */
async function registrySecrets(): Promise<string[]> {
  const access = await world.call('GET', '/api/docker-registry/registry-push-access')
  const { secret } = access.as<{ secret: string }>()
  const token = await world.call('GET', '/api/registry/token?scope=repository:default/app:pull,push', {
    key: null,
    headers: { authorization: `Basic ${Buffer.from(`x:${secret}`).toString('base64')}` },
  })
  return [secret, token.as<{ token: string }>().token]
}
