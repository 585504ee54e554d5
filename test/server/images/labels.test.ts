import { randomInt, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompiledQuery, Kysely, Migrator } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IMAGE_SORTS, type ListImagesQuery } from '../../../src/contract/image.ts'
import { listImages } from '../../../src/server/images/list.ts'
import { openDatabase } from '../../../src/server/store/database.ts'
import * as initial from '../../../src/server/store/migrations/001-initial.ts'
import type { Database, ImageTable } from '../../../src/server/store/schema.ts'
import { sqliteDialect } from '../../../src/server/store/sqlite.ts'

/** More than are fetched and sorted (images/list.ts): `kind` is a label that many have. */
const COUNT = 6_000
const TEAMS = 20
const ODD = ['a=b', 'a,b', '', '"', '\\', 'ü', "'", '%', '1', 'true']
type Sort = (typeof IMAGE_SORTS)[number]
let folder: string
let db: Kysely<Database>
/** What is asked of the database, while it is an array. */
let asked: CompiledQuery[] | undefined

/** The tables of the first version, with images; then brought up to date. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-labels-'))
  const file = join(folder, 'imgctl.db')
  const old = new Kysely<Database>({ dialect: sqliteDialect(file) })
  const provider = { getMigrations: async () => ({ '001-initial': initial }) }
  expect((await new Migrator({ db: old, provider }).migrateToLatest()).error).toBeUndefined()
  for (const id of ['own', 'other']) {
    await old
      .insertInto('organizations')
      .values({ id, slug: id, name: id, imageQuota: 1, createdAt: 1 } as never)
      .execute()
  }
  await insert(old, randomImages('own', COUNT / 2))
  await old.destroy()
  await (await openDatabase(file)).destroy()
  db = new Kysely<Database>({
    dialect: sqliteDialect(file),
    log: ({ query }) => void asked?.push(query),
  })
  await insert(db, [...randomImages('own', COUNT / 2), ...randomImages('other', 50)])
})
afterAll(async () => {
  await db.destroy()
  await rm(folder, { recursive: true })
})

describe.each([
  ['few have', 'team=3'],
  ['many have', 'kind=service'],
  ['many have, without a value', 'kind'],
  ['few have, without a value', 'odd'],
  ['none has', 'team=none'],
  ['none has, without a value', 'nothing'],
  ['only another organization has', 'other=yes'],
  ['has odd characters', 'odd=a=b'],
  ['has a quote', 'odd="'],
  ['has a percent sign', 'odd=%'],
  ['has no value', 'odd='],
  ['looks like a number', 'odd=1'],
])('a label that %s: %s', (_, label) => {
  test.each([
    ['alone', {}],
    ['with another that few have', { more: 'team=5' }],
    ['with another that many have', { more: 'kind=service' }],
    ['with a state', { state: 'error,pending' }],
    ['with a part of the name', { name: '*7*' }],
    ['with a visibility', { visibility: 'public' }],
    ['with all of them', { more: 'kind', state: 'error', name: '*1*', visibility: 'private' }],
  ] as const)('%s finds what the labels of each image say', async (_, filter) => {
    const { more, ...others } = { more: undefined, ...filter }
    const labels = more ? [label, more] : [label]
    const all = (await everything(others as ListImagesQuery)).filter((row) => hasAll(row, labels))
    const query = { ...others, label: labels.join(',') } as ListImagesQuery
    expect(names(await everything(query))).toEqual(names(all))
    const { rows, total, totalPages } = await listImages(db, 'own', { ...query, limit: 7, page: 2 })
    expect([total, totalPages]).toEqual([all.length, Math.ceil(all.length / 7)])
    expect(names(rows)).toEqual(names(all.slice(7, 14)))
  })
})

test.each(IMAGE_SORTS.flatMap((sort) => [`${sort} asc`, `${sort} desc`]))(
  'labels that few and many have come in the order of all images: %s',
  async (text) => {
    const [sort, order] = text.split(' ') as [Sort, 'asc' | 'desc']
    const all = await everything({ sort, order })
    for (const label of ['team=3', 'kind=service']) {
      const expected = all.filter((row) => hasAll(row, [label]))
      expect(names(await everything({ sort, order, label }))).toEqual(names(expected))
    }
  },
)

test('a changed label and a deleted image are found no more', async () => {
  const [image] = randomImages('own', 1)
  await insert(db, [{ ...image!, labelsJson: '{"fresh":"1","gone":"x"}' }])
  const found = async (label: string) => (await listImages(db, 'own', { label })).total
  expect([await found('fresh=1'), await found('gone')]).toEqual([1, 1])
  await db.updateTable('images').set({ labelsJson: '{"fresh":"2"}' }).where('id', '=', image!.id).execute()
  expect([await found('fresh=1'), await found('fresh=2'), await found('gone')]).toEqual([0, 1, 0])
  await db.deleteFrom('images').where('id', '=', image!.id).execute()
  expect(await found('fresh')).toBe(0)
  expect(await labelsOf(image!.id)).toEqual([])
})

test('the labels of an organization go with it', async () => {
  const [image] = randomImages('other', 1)
  await insert(db, [{ ...image!, labelsJson: '{"a":"b"}' }])
  expect(await labelsOf(image!.id)).toHaveLength(1)
  await db.deleteFrom('organizations').where('id', '=', 'other').execute()
  expect(await labelsOf(image!.id)).toEqual([])
})

test.each(
  [{}, { state: 'error' }, { state: 'error,active' }, { visibility: 'public' }, { name: 'app*' }].flatMap(
    (filter) => IMAGE_SORTS.map((sort) => ({ ...filter, sort })),
  ),
)('the index on labels leads to the rows: %j', async (query) => {
  const statements = await statementsOf({ ...query, label: 'team=3,kind=service' } as ListImagesQuery)
  for (const { sql, parameters } of statements) {
    const plan = await db.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`EXPLAIN QUERY PLAN ${sql}`, [...parameters]),
    )
    const steps = plan.rows.map(({ detail }) => detail)
    const rows = steps.filter((step) => /^(?:SEARCH|SCAN) (?:l|i|images|image_labels)\b/.test(step))
    const label = 'SEARCH l USING PRIMARY KEY (organizationId=? AND key=? AND value=?)'
    if (sql.includes('json_each')) {
      expect(rows).toEqual([label, 'SEARCH i USING INDEX sqlite_autoindex_images_1 (id=?)'])
    } else {
      expect(rows).toEqual([label])
    }
  }
  // Two counts of labels, the count of the images, and the page.
  expect(statements).toHaveLength(4)
})

async function statementsOf(query: ListImagesQuery): Promise<readonly CompiledQuery[]> {
  const statements: CompiledQuery[] = []
  asked = statements
  await listImages(db, 'own', query)
  asked = undefined
  return statements
}

/** Every image that a query finds, page by page. */
async function everything(query: ListImagesQuery): Promise<ImageTable[]> {
  const { sort, order, ...filter } = query
  const found: ImageTable[] = []
  for (let next: ListImagesQuery = query; ; ) {
    const { rows, total, nextCursor } = await listImages(db, 'own', { limit: 200, ...next })
    found.push(...rows)
    if (nextCursor === null) {
      expect(total).toBe(found.length)
      return found
    }
    next = { ...filter, cursor: nextCursor }
  }
}

function hasAll({ labelsJson }: ImageTable, labels: readonly string[]): boolean {
  const own = new Map(Object.entries(JSON.parse(labelsJson) as Record<string, string>))
  return labels.every((label) => {
    const [key = '', ...value] = label.split('=')
    return value.length === 0 ? own.has(key) : own.get(key) === value.join('=')
  })
}

function names(rows: readonly ImageTable[]): string[] {
  return rows.map(({ name }) => name)
}

function labelsOf(imageId: string) {
  return db.selectFrom('image_labels').selectAll().where('imageId', '=', imageId).execute()
}

function randomImages(organizationId: string, count: number): ImageTable[] {
  return Array.from({ length: count }, () => {
    const tag = `1.${randomInt(1e12)}`
    const labels = {
      kind: randomInt(12) === 0 ? 'job' : 'service',
      ...(randomInt(4) === 0 ? {} : { team: String(randomInt(TEAMS)) }),
      ...(randomInt(10) === 0 ? { odd: ODD[randomInt(ODD.length)]! } : {}),
      ...(organizationId === 'other' ? { other: 'yes' } : {}),
    }
    return {
      id: randomUUID(),
      organizationId,
      name: `app:${tag}`,
      repository: 'app',
      tag,
      digest: null,
      sourceJson: '{"kind":"pushed"}',
      state: ['active', 'active', 'error', 'pending'][randomInt(4)]!,
      step: null,
      reasonJson: null,
      enabled: 1,
      general: 0,
      sizeBytes: randomInt(3) ? randomInt(1000) : null,
      entrypointJson: null,
      ownEntrypointJson: null,
      platform: null,
      labelsJson: JSON.stringify(labels),
      visibility: randomInt(2) ? 'private' : 'public',
      description: null,
      createdBy: null,
      createdAt: randomInt(500),
      updatedAt: randomInt(500),
      lastUsedAt: randomInt(2) ? randomInt(500) : null,
      stateSince: 1,
      attempt: 0,
      nextAttemptAt: 1,
      leaseOwner: null,
      leaseUntil: null,
    }
  })
}

async function insert(into: Kysely<Database>, images: readonly ImageTable[]): Promise<void> {
  await into.transaction().execute(async (trx) => {
    for (const row of images) await trx.insertInto('images').values(row).execute()
  })
}
