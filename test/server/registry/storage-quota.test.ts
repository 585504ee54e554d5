import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { cleanUp } from '../../../src/server/content/janitor.ts'
import { storeBlob } from '../../../src/server/content/store-blob.ts'
import { setStorageQuota } from '../../../src/server/identity/organizations.ts'
import { Random, randomSeed } from '../random.ts'
import {
  apiKey,
  basic,
  Client,
  GRACE_MS,
  IMAGE_BYTES,
  serve,
  sha256,
  type TestContext,
  testContext,
} from '../registry-context.ts'

const QUOTA = 10_000
const KB = 'x'.repeat(1000)

async function setup({ quota }: { quota?: number } = { quota: QUOTA }) {
  const ctx = await testContext({
    limits: {
      imageBytes: IMAGE_BYTES,
      imagesPerOrganization: 100,
      storagePerOrganization: quota,
      requestsPerMinute: { key: 1_000_000, address: 1_000_000 },
    },
  })
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  const other = new Client(server, basic(await apiKey(ctx, 'other')))
  return { ctx, client, other }
}

async function stored(ctx: TestContext, slug = 'acme'): Promise<number> {
  const { storedBytes } = await ctx.db
    .selectFrom('organizations')
    .select('storedBytes')
    .where('slug', '=', slug)
    .executeTakeFirstOrThrow()
  return storedBytes
}

async function files(ctx: TestContext): Promise<number> {
  let count = 0
  for await (const _ of ctx.blobs.digests()) count++
  return count
}

test('each blob counts once in an organization, whatever repositories have it, and in each organization', async () => {
  const { ctx, client, other } = await setup()
  const digest = await client.pushBlob('acme/a', KB)
  await client.pushBlob('acme/a', KB)
  await client.pushBlob('acme/b', KB)
  await client.call('POST', `/v2/acme/c/blobs/uploads/?mount=${digest}&from=acme/a`, 201)
  await other.pushBlob('other/a', KB)
  expect([await stored(ctx), await stored(ctx, 'other')]).toEqual([1000, 1000])
  for (const name of ['a', 'b']) await client.call('DELETE', `/v2/acme/${name}/blobs/${digest}`, 202)
  expect(await stored(ctx)).toBe(1000)
  await client.call('DELETE', `/v2/acme/c/blobs/${digest}`, 202)
  expect([await stored(ctx), await stored(ctx, 'other')]).toEqual([0, 1000])
})

test('an organization may have a quota of its own, larger or smaller, with or without one for all', async () => {
  for (const quota of [QUOTA, undefined]) {
    const { ctx, client, other } = await setup(quota === undefined ? {} : { quota })
    const set = (bytes: number | null) => setStorageQuota(ctx.db, 'acme', bytes)
    const push = async (text: string, status: number) => {
      await client.call('POST', `/v2/acme/a/blobs/uploads/?digest=${sha256(text)}`, status, { body: text })
      return stored(ctx)
    }
    await set(500)
    expect(await push('a'.repeat(600), 403)).toBe(0)
    expect(await files(ctx)).toBe(0)
    await set(2 * QUOTA)
    expect(await push('b'.repeat(QUOTA + 1), 201)).toBe(QUOTA + 1)
    await other.pushBlob('other/a', 'c'.repeat(9000))
    // One that has more than it may keeps what it has.
    await set(1000)
    expect(await push('d', 403)).toBe(QUOTA + 1)
    expect(await set(null)).toMatchObject({ storageQuota: null, storedBytes: QUOTA + 1 })
    expect(await push('e', quota === undefined ? 201 : 403)).toBe(QUOTA + (quota === undefined ? 2 : 1))
  }
})

test('a blob over the quota is refused in words that clients show, and leaves nothing', async () => {
  const { ctx, client } = await setup()
  await client.pushBlob('acme/a', 'a'.repeat(6000))
  const text = 'b'.repeat(6000)
  const response = await client.call('POST', `/v2/acme/a/blobs/uploads/?digest=${sha256(text)}`, 403, {
    body: text,
  })
  expect(await response.json()).toEqual({
    errors: [
      { code: 'DENIED', message: expect.stringContaining('may store 10000 bytes, and would have 12000') },
    ],
  })
  expect([await stored(ctx), await files(ctx)]).toEqual([6000, 1])
  expect(await ctx.db.selectFrom('uploads').selectAll().execute()).toEqual([])
  // In chunks, too.
  const location = await client.upload('acme/a')
  await client.call('PATCH', location, 202, { body: text })
  expect(await client.refused('PUT', `${location}?digest=${sha256(text)}`, 403)).toBe('DENIED')
  expect([await stored(ctx), await files(ctx)]).toEqual([6000, 1])
  // What the organization has costs nothing more.
  await client.pushBlob('acme/b', 'a'.repeat(6000))
  await client.pushBlob('acme/b', 'c'.repeat(4000))
  expect(await stored(ctx)).toBe(10_000)
})

test('of uploads at once no two take the last bytes', async () => {
  const { ctx, client } = await setup()
  const pushed = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => client.pushBlob('acme/a', String(i).repeat(3000))),
  )
  expect(pushed.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  expect([await stored(ctx), await files(ctx)]).toEqual([9000, 3])
})

test('a fetched blob over the quota is refused too, and leaves nothing', async () => {
  const { ctx, client } = await setup({ quota: 1500 })
  await client.pushBlob('acme/a', KB)
  const { id: repositoryId } = await ctx.db.selectFrom('repositories').select('id').executeTakeFirstOrThrow()
  const storing = storeBlob(ctx, { repositoryId, source: Readable.from([Buffer.from('y'.repeat(1000))]) })
  await expect(storing).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect([await stored(ctx), await files(ctx)]).toEqual([1000, 1])
})

test('without a quota nothing is refused', async () => {
  const { ctx, client } = await setup({})
  await client.pushBlob('acme/a', 'a'.repeat(50_000))
  expect(await stored(ctx)).toBe(50_000)
})

test('the sum stays right through pushes, mounts, deletes and collections', async () => {
  const seed = randomSeed()
  const random = new Random(seed)
  const { ctx, client, other } = await setup({})
  const texts = Array.from({ length: 6 }, (_, i) => `${i} `.repeat(100 + i))
  for (let i = 0; i < 120; i++) {
    const [who, slug] = random.chance(0.5) ? [client, 'acme'] : [other, 'other']
    const name = `${slug}/${random.pick(['a', 'b', 'c'])}`
    const text = random.pick(texts)
    await random
      .pick([
        () => who.pushBlob(name, text),
        () => who.call('DELETE', `/v2/${name}/blobs/${sha256(text)}`, 202),
        () => who.call('POST', `/v2/${name}/blobs/uploads/?mount=${sha256(text)}`, 201),
        async () => ctx.advance(GRACE_MS * random.next()),
        () => cleanUp(ctx, { orphansToo: true }),
      ])()
      .catch(() => {})
  }
  const { rows } = await sql<{ slug: string; kept: number; counted: number }>`
    SELECT o.slug, o."storedBytes" AS kept, (SELECT COALESCE(SUM(b.size), 0) FROM blobs b WHERE EXISTS (
      SELECT 1 FROM blob_links l JOIN repositories p ON p.id = l."repositoryId"
        WHERE l.digest = b.digest AND p."organizationId" = o.id)) AS counted FROM organizations o`.execute(
    ctx.db,
  )
  for (const { slug, kept, counted } of rows) expect(kept, `seed ${seed}, ${slug}`).toBe(counted)
})
