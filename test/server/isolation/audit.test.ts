import { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry, AuditPage, ListAuditQuery } from '../../../src/contract/audit.ts'
import { listAudit, removeOldAudit } from '../../../src/server/identity/audit-log.ts'
import { principalOfApiKey } from '../../../src/server/identity/principal.ts'
import { API_ROWS } from './api-rows.ts'
import { REGISTRY_ROWS } from './registry-rows.ts'
import { openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const audit = async (query = '', key = world.key) =>
  (await world.call('GET', `/api/audit${query}`, { key })).as<AuditPage>()
const count = async () => (await world.ctx.db.selectFrom('audit_log').select('id').execute()).length

const changing = Object.entries(API_ROWS).filter(([route]) => !route.startsWith('GET '))

describe.each(changing)('%s', (route, row) => {
  const method = route.split(' ')[0]!

  test('leaves one entry: who, what, when, which request', async () => {
    const { path, ...rest } = await row.request(world)
    const before = await count()
    const { headers } = await world.call(method, path, rest)
    expect(await count()).toBe(before + 1)
    const entry = (await audit()).items[0]!
    expect(entry).toMatchObject({
      // Every route has a name of its own: one with a slash is its method and path.
      action: expect.stringMatching(/^[a-z-]+\.[a-z-]+$/),
      target: expect.stringMatching(/\S/),
      user: 'administrator',
      key: 'first',
      requestId: headers.get('x-request-id'),
      address: '127.0.0.1',
    })
    expect(Math.abs(Date.parse(entry.at) - world.ctx.now())).toBeLessThan(60_000)
  })

  test('leaves none when it is refused', async () => {
    const { path, ...rest } = await row.request(world)
    const before = await count()
    const reader = await world.tokenOf('default', [])
    for (const key of [null, 'wrong', reader]) {
      expect((await world.call(method, path, { ...rest, key })).status).toBeGreaterThanOrEqual(400)
    }
    expect(await count()).toBe(before)
  })
})

test('a push leaves one entry for its manifest, a deletion another; blobs and uploads none', async () => {
  const before = await count()
  const { digest } = await world.pushImage()
  expect(await count()).toBe(before + 1)
  expect((await audit()).items[0]).toMatchObject({
    action: 'manifest.push',
    target: expect.stringMatching(/^default\/app:\d+$/),
    user: 'administrator',
  })
  for (const [name, { operation, action }] of Object.entries(REGISTRY_ROWS)) {
    const { path, body, headers } = await operation(world)
    const [kind, method] = name.split(' ') as [string, string]
    const start = await count()
    const authorization = `Basic ${btoa(`x:${world.key}`)}`
    const answer = await fetch(`${world.url}/v2/default/app/${path}`, {
      method,
      headers: { authorization, ...headers },
      ...(body ? { body } : {}),
    })
    await answer.arrayBuffer()
    const expected = (kind === 'manifest' && action !== 'pull') || name === 'blob DELETE' ? 1 : 0
    expect([name, (await count()) - start]).toEqual([name, expected])
  }
  const deleted = await world.client(world.key).call('DELETE', `/v2/default/app/manifests/${digest}`, 202)
  expect((await audit()).items[0]).toMatchObject({
    action: 'manifest.delete',
    target: `default/app@${digest}`,
    requestId: deleted.headers.get('x-request-id'),
  })
})

test('a push by way of a staging tag is told by its digest, and the tag not at all', async () => {
  const before = await count()
  const client = world.client(world.key)
  const { digest } = await client.pushImage('default/app', '_imgctl-0123456789abcdef', 'staged')
  expect((await audit()).items[0]).toMatchObject({ action: 'manifest.push', target: `default/app@${digest}` })
  await client.call('DELETE', '/v2/default/app/manifests/_imgctl-0123456789abcdef', 202)
  expect(await count()).toBe(before + 1)
  expect(JSON.stringify(await audit('?limit=200'))).not.toContain('_imgctl-')
})

describe('GET /api/audit', () => {
  test.each([
    ['', 'audit_log_organization'],
    ['target=app:1.0', 'audit_log_target'],
    ['user=ann', 'audit_log_user'],
    ['target=app:1.0&action=image&since=2020-01-01T00:00:00Z&cursor=5', 'audit_log_target'],
  ])('reads what it shows and nothing else: ?%s', async (query, index) => {
    const queries: { sql: string; parameters: readonly unknown[] }[] = []
    const { db } = world.ctx
    const seen = db.withPlugin({
      transformQuery({ node }) {
        const { sql, parameters } = db.getExecutor().compileQuery(node, { queryId: 'seen' })
        queries.push({ sql, parameters })
        return node
      },
      transformResult: async ({ result }) => result,
    })
    const principal = (await principalOfApiKey(world.ctx, world.key))!
    await listAudit({ db: seen }, principal, Object.fromEntries(new URLSearchParams(query)) as ListAuditQuery)
    expect(queries).toHaveLength(1)
    const { sql: text, parameters } = queries[0]!
    const plan = await db.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`EXPLAIN QUERY PLAN ${text}`, [...parameters]),
    )
    const steps = plan.rows.map(({ detail }) => detail)
    // One step: no row is read to be sorted, or of other organizations.
    expect(steps).toEqual([
      expect.stringMatching(`^SEARCH audit_log USING INDEX ${index} \\(organizationId=\\?`),
    ])
  })

  test("has the organization's own entries only, for administrators only", async () => {
    await world.pushImage()
    await world.client(world.stranger).pushImage('other/app', '1.0')
    const theirs = await audit('?limit=200', world.stranger)
    expect(theirs.items.map(({ target }) => target)).toEqual(['other/app:1.0'])
    expect(JSON.stringify(await audit('?limit=200'))).not.toContain('other/app')
    const reader = await world.keyWith(['read:images', 'write:images', 'delete:images'])
    expect((await world.call('GET', '/api/audit', { key: reader })).status).toBe(403)
  })

  test('is cut into pages that new entries do not move', async () => {
    for (let each = 0; each < 5; each++) await world.pushImage()
    const whole = (await audit('?limit=5&action=manifest.push')).items
    const first = await audit('?limit=2&action=manifest.push')
    await world.pushImage()
    const second = await audit(`?limit=2&action=manifest.push&cursor=${first.nextCursor}`)
    const third = await audit(`?limit=1&action=manifest.push&cursor=${second.nextCursor}`)
    expect([...first.items, ...second.items, ...third.items]).toEqual(whole)
  })

  test('is filtered', async () => {
    const { name } = await world.pushImage()
    await world.call('PATCH', `/api/images/${name}/toggle`, { body: { enabled: false } })
    await world.call('DELETE', `/api/images/${name}`)
    const actions = (page: AuditPage) => page.items.map(({ action }: AuditEntry) => action)
    expect(actions(await audit(`?target=${name}`))).toEqual(['image.delete', 'image.toggle'])
    expect(actions(await audit(`?target=${name}&action=image.toggle`))).toEqual(['image.toggle'])
    expect(actions(await audit(`?target=${name}&action=image`))).toEqual(['image.delete', 'image.toggle'])
    expect(actions(await audit(`?target=${name}&action=imag`))).toEqual([])
    expect(actions(await audit(`?target=${name}&user=nobody`))).toEqual([])
    expect(actions(await audit(`?target=${name}&since=2999-01-01T00:00:00Z`))).toEqual([])
    for (const wrong of ['limit=0', 'limit=201', 'cursor=x', 'since=yesterday', 'organizationId=x']) {
      expect((await world.call('GET', `/api/audit?${wrong}`)).status).toBe(400)
    }
  })
})

test('no secret is in it', async () => {
  const body = { name: 'audited', url: 'audited.example.com', username: 'u', password: 'hidden-password' }
  await world.call('POST', '/api/docker-registry', { body })
  const made = await world.call('POST', '/api/api-keys', {
    body: { name: 'audited', permissions: ['admin'] },
  })
  const rows = JSON.stringify(await world.ctx.db.selectFrom('audit_log').selectAll().execute())
  expect(rows).toContain('audited')
  expect(rows).not.toContain('hidden-password')
  expect(rows).not.toContain(made.as<{ value: string }>().value)
})

test('what is too old goes, and the oldest when there are too many', async () => {
  for (let each = 0; each < 5; each++) await world.pushImage()
  await removeOldAudit(world.ctx, 3)
  expect(await count()).toBe(3)
  await removeOldAudit(world.ctx, 3)
  expect(await count()).toBe(3)
  const newest = (await audit('?limit=1')).items[0]
  world.advance(399 * 24 * 60 * 60 * 1000)
  await removeOldAudit(world.ctx)
  expect((await audit('?limit=1')).items[0]).toEqual(newest)
  world.advance(2 * 24 * 60 * 60 * 1000)
  await removeOldAudit(world.ctx)
  expect(await count()).toBe(0)
})

test('a log that cannot be written does not undo what was done, and is told in the log', async () => {
  const own = await openWorld()
  const { name } = await own.pushImage()
  await own.ctx.db.schema.dropTable('audit_log').execute()
  expect((await own.call('DELETE', `/api/images/${name}`)).status).toBe(200)
  expect((await own.call('GET', `/api/images/${name}`)).status).toBe(404)
  expect(own.logText()).toContain('the audit log cannot be written')
  await own.close()
})
