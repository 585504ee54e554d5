import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiKey, Permission, PushAccess } from '../../../src/contract/identity.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { hasPermission } from '../../../src/server/identity/principal.ts'
import { principalOfPushSecret } from '../../../src/server/identity/push-access.ts'
import { type OpenApp, openApp } from './open-app.ts'

const HOUR_MS = 3_600_000
const PATH = '/api/docker-registry/registry-push-access'
let app: OpenApp

beforeAll(async () => {
  app = await openApp()
})
afterAll(() => app.close())

async function newKey(name: string): Promise<string> {
  const body = { name, permissions: ['read:images', 'write:images', 'delete:images'] satisfies Permission[] }
  return (await app.call('POST', '/api/api-keys', { body })).as<ApiKey>().value
}

describe('registry-push-access', () => {
  it('names this registry, the organization and an end', async () => {
    const access = (await app.call('GET', PATH)).as<PushAccess>()
    expect(access).toMatchObject({ registryUrl: new URL(app.url).host, project: 'default' })
    expect(Date.parse(access.expiresAt) - app.ctx.now()).toBeLessThanOrEqual(HOUR_MS)
    expect(app.logText()).not.toContain(access.secret)
  })

  it('allows push and pull, nothing else', async () => {
    const { secret } = (await app.call('GET', PATH)).as<PushAccess>()
    const { principal, ...rest } = (await principalOfPushSecret(app.ctx, secret))!
    expect(principal.organizationSlug).toBe('default')
    expect([...principal.permissions].sort()).toEqual(['read:images', 'write:images'])
    expect(hasPermission(principal, 'admin')).toBe(false)
    expect(rest).toEqual({})
  })

  it('can be narrowed to one repository', async () => {
    const { secret } = (await app.call('GET', `${PATH}?repository=team/app`)).as<PushAccess>()
    expect(await principalOfPushSecret(app.ctx, secret)).toMatchObject({ repository: 'team/app' })
  })

  it.each(['', '/app', 'App', 'app:1.0', '../other', 'a//b', `${'a'.repeat(256)}`])(
    'refuses the repository %j',
    async (repository) => {
      const answer = await app.call('GET', `${PATH}?repository=${encodeURIComponent(repository)}`)
      expect(answer.status).toBe(400)
      expect(['NAME_INVALID', 'BAD_REQUEST']).toContain(answer.as<ApiError>().code)
    },
  )

  it('ends with the API key that asked for it', async () => {
    const key = await newKey('pusher')
    const { secret } = (await app.call('GET', PATH, { key })).as<PushAccess>()
    expect(await principalOfPushSecret(app.ctx, secret)).toBeDefined()
    await app.call('DELETE', '/api/api-keys/pusher')
    expect(await principalOfPushSecret(app.ctx, secret)).toBeUndefined()
  })

  it('ends after an hour', async () => {
    const { secret } = (await app.call('GET', PATH)).as<PushAccess>()
    app.advance(HOUR_MS + 1000)
    expect(await principalOfPushSecret(app.ctx, secret)).toBeUndefined()
  })

  it('is not an API key, and no other token is it', async () => {
    const { secret } = (await app.call('GET', PATH)).as<PushAccess>()
    expect((await app.call('GET', '/api/users/me', { key: secret })).status).toBe(401)
    const row = await app.ctx.db.selectFrom('api_keys').select('id').executeTakeFirstOrThrow()
    const other = await app.ctx.keys.signToken({ key: row.id }, 60)
    for (const wrong of [other, app.key, '', `${secret}x`, secret.replace(/\.[^.]+$/, '.')]) {
      expect(await principalOfPushSecret(app.ctx, wrong)).toBeUndefined()
    }
  })
})
