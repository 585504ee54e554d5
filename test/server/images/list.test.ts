import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IMAGE_SORTS, type ImagePage } from '../../../src/contract/image.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { toLikePattern } from '../../../src/server/images/filter.ts'
import type { ImageTable } from '../../../src/server/store/schema.ts'
import { type OpenImages, type Organization, openImages } from './open-images.ts'

const COUNT = 2_500
let server: OpenImages
let many: Organization
let few: Organization

beforeAll(async () => {
  server = await openImages()
  many = await server.addOrganization('many')
  few = await server.addOrganization('few')
  await insert(
    many,
    Array.from({ length: COUNT }, (_, i) => ({ name: `app:${i}`, createdAt: 1000 + Math.floor(i / 7) })),
  )
  await insert(few, [
    { name: 'team/api:1.0', state: 'active', labelsJson: '{"env":"prod","a.b/c":"x=y"}', sizeBytes: 10 },
    { name: 'team/api:RC_1', state: 'error', visibility: 'public', labelsJson: '{"env":"test"}' },
    { name: 'web:1.0', state: 'pending', sizeBytes: 5 },
  ])
})
afterAll(() => server.close())

test('pages count through everything', async () => {
  const { body } = await list(many, 'page=3&limit=200')
  expect(body).toMatchObject({ total: COUNT, page: 3, totalPages: 13 })
  expect(body.items).toHaveLength(200)
  expect((await list(many, 'page=13&limit=200')).body.items).toHaveLength(100)
  expect((await list(many, 'page=14&limit=200')).body).toMatchObject({
    items: [],
    page: 14,
    nextCursor: null,
  })
  expect((await list(many, '')).body.items).toHaveLength(100)
})

test('the newest come first (W-01)', async () => {
  const { body } = await list(many, 'limit=1')
  expect(body.items[0]?.name).toMatch(/^app:249\d$/)
})

test.each(IMAGE_SORTS)(
  'a label finds the same images in the same order as without an index: by %s',
  async (sort) => {
    const organization = await server.addOrganization(`o${randomUUID()}`)
    await insert(
      organization,
      Array.from({ length: 300 }, (_, i) => ({
        name: `m:${i}`,
        createdAt: 5000 + (i % 10),
        sizeBytes: i % 5 ? (i * 37) % 11 : null,
        labelsJson: i % 3 ? '{}' : '{"team":"a"}',
      })),
    )
    const all = (await list(organization, `limit=200&sort=${sort}&order=desc`)).body
    const rest = (await list(organization, `limit=200&cursor=${all.nextCursor}`)).body
    const labelled = [...all.items, ...rest.items].filter(({ labels }) => labels['team'] === 'a')
    const seen: string[] = []
    for (let query = `sort=${sort}&order=desc`; ; ) {
      const { body } = await list(organization, `label=team%3Da&limit=40&${query}`)
      expect(body.total).toBe(100)
      seen.push(...body.items.map(({ name }) => name))
      if (body.nextCursor === null) break
      query = `cursor=${body.nextCursor}`
    }
    expect(seen).toEqual(labelled.map(({ name }) => name))
  },
)

test.each(IMAGE_SORTS.flatMap((sort) => [`sort=${sort}&order=asc`, `sort=${sort}&order=desc`]))(
  'with cursors nothing is missed or repeated while images come in: %s',
  async (order) => {
    const organization = await server.addOrganization(`o${randomUUID()}`)
    const names = Array.from({ length: COUNT }, (_, i) => `m:${i}`)
    await insert(
      organization,
      names.map((name, i) => ({ name, createdAt: 5000 + (i % 100), sizeBytes: i % 3 ? i : null })),
    )
    const seen: string[] = []
    let query = `limit=200&${order}`
    for (let page = 1; ; page++) {
      const { body } = await list(organization, query)
      expect(body.page).toBe(page)
      seen.push(...body.items.map(({ name }) => name))
      await insert(organization, [
        { name: `a:${page}`, createdAt: page, sizeBytes: 0 },
        { name: `z:${page}`, createdAt: 9_000_000 + page, sizeBytes: 9_000_000 },
      ])
      if (body.nextCursor === null) break
      query = `limit=200&cursor=${body.nextCursor}`
    }
    const old = seen.filter((name) => name.startsWith('m:'))
    expect(new Set(old).size).toBe(COUNT)
    expect(old).toHaveLength(COUNT)
    expect(new Set(seen).size).toBe(seen.length)
  },
)

describe('filters', () => {
  test.each([
    ['name=api', ['team/api:1.0', 'team/api:RC_1']],
    ['name=*:1.0', ['team/api:1.0', 'web:1.0']],
    ['name=web:?.?', ['web:1.0']],
    ['name=web:?', []],
    ['name=RC_1', ['team/api:RC_1']],
    ['name=RC%251', []],
    ['name=%25', []],
    ['state=active', ['team/api:1.0']],
    ['state=error,pending', ['team/api:RC_1', 'web:1.0']],
    ['visibility=public', ['team/api:RC_1']],
    ['label=env', ['team/api:1.0', 'team/api:RC_1']],
    ['label=env%3Dprod', ['team/api:1.0']],
    ['label=a.b%2Fc%3Dx%3Dy,env', ['team/api:1.0']],
    ['label=env%3Dprod,env%3Dtest', []],
    ['label=none', []],
    ['name=api&state=active&visibility=private&label=env', ['team/api:1.0']],
  ])('%s', async (query, names) => {
    const { body } = await list(few, `${query}&sort=name`)
    expect(body.items.map(({ name }) => name)).toEqual(names)
    expect(body.total).toBe(names.length)
  })

  test('what has no size sorts as the smallest', async () => {
    const { body } = await list(few, 'sort=sizeBytes&order=desc')
    expect(body.items.map(({ sizeBytes }) => sizeBytes)).toEqual([10, 5, null])
    expect(body.items[0]?.size).toBe(10 / 1024 ** 3)
  })

  test('only the own organization is listed', async () => {
    expect((await list(few, 'limit=200')).body.total).toBe(3)
  })

  test('a glob has no other wildcards', () => {
    expect(toLikePattern('a_b%\\*')).toBe('a\\_b\\%\\\\%')
  })
})

test.each([
  'limit=0',
  'limit=201',
  'limit=x',
  'limit=1.5',
  'limit=-1',
  'page=0',
  'page=-1',
  'page=x',
  'state=nonsense',
  'visibility=secret',
  'sort=organizationId',
  'order=up',
  'cursor=zzz',
  `cursor=${Buffer.from('["createdAt","desc","x","y",1]').toString('base64url')}`,
  `cursor=${Buffer.from('["id; DROP TABLE images","desc",1,"y",1]').toString('base64url')}`,
  'unknown=1',
  `label=${'a,'.repeat(65)}`,
  `state=${'active,'.repeat(65)}`,
])('%s is 400 (W-42)', async (query) => {
  const { status, body } = await list(few, query)
  expect([status, (body as unknown as ApiError).code]).toEqual([400, 'BAD_REQUEST'])
})

test('a cursor does not go with another page or order', async () => {
  const { nextCursor } = (await list(few, 'limit=1')).body
  for (const extra of ['page=2', 'sort=name', 'order=asc']) {
    expect((await list(few, `cursor=${nextCursor}&${extra}`)).status).toBe(400)
  }
  expect((await list(few, `cursor=${nextCursor}&sort=createdAt&order=desc`)).status).toBe(200)
})

test('reading needs read:images', async () => {
  const writer = await server.addOrganization('writer', ['write:images'])
  expect((await list(writer, '')).status).toBe(403)
})

function list(organization: Organization, query: string) {
  return server.call<ImagePage>('GET', `/images?${query}`, { key: organization.key })
}

async function insert(organization: Organization, images: readonly Partial<ImageTable>[]): Promise<void> {
  const rows = images.map((image): ImageTable => {
    const [repository, tag] = image.name!.split(':') as [string, string]
    return {
      id: randomUUID(),
      organizationId: organization.id,
      name: image.name!,
      repository,
      tag,
      digest: null,
      sourceJson: '{"kind":"pushed"}',
      state: 'active',
      step: null,
      reasonJson: null,
      enabled: 1,
      general: 0,
      sizeBytes: null,
      entrypointJson: null,
      ownEntrypointJson: null,
      platform: null,
      labelsJson: '{}',
      visibility: 'private',
      description: null,
      createdBy: null,
      createdAt: 1,
      updatedAt: image.createdAt ?? 1,
      lastUsedAt: null,
      stateSince: 1,
      attempt: 0,
      nextAttemptAt: 1,
      leaseOwner: null,
      leaseUntil: null,
      ...image,
    }
  })
  await server.ctx.db.transaction().execute(async (trx) => {
    for (const row of rows) await trx.insertInto('images').values(row).execute()
  })
}
