import { setImmediate } from 'node:timers/promises'
import type { KyselyPlugin } from 'kysely'
import { expect, test } from 'vitest'
import { collectRepository } from '../../../src/server/content/collect.ts'
import { freedBy, MAX_HELD_BY, removeImageContent } from '../../../src/server/content/removal.ts'
import type { Db } from '../../../src/server/store/database.ts'
import {
  apiKey,
  basic,
  Client,
  GRACE_MS,
  imageManifest,
  serve,
  type TestContext,
  testContext,
} from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  const client = new Client(server, basic(await apiKey(ctx, 'acme')))
  const other = new Client(server, basic(await apiKey(ctx, 'other')))
  return { ctx, client, other }
}

const named = (tag: string, digest: string | null, repository = 'app') => ({
  organizationId: 'org-acme',
  repository,
  tag,
  digest,
})

const LAYER_BYTES = 'x'.repeat(1000)

test('all is freed when nobody else has it, whatever other organizations have', async () => {
  const { ctx, client, other } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  await other.pushImage('other/app', '1.0', LAYER_BYTES)
  expect(await freedBy(ctx.db, named('1.0', digest))).toEqual({
    freedBytes: manifest.config.size + 1000,
    heldBy: [],
  })
})

test('names with the same content hold it; staging tags do not', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  await client.pushManifest('acme/app', 'latest', manifest)
  await client.pushImage('acme/zoo', '1.0', LAYER_BYTES)
  await client.pushManifest('acme/app', '_imgctl-x', manifest)
  expect(await freedBy(ctx.db, named('1.0', digest))).toEqual({
    freedBytes: 0,
    heldBy: ['app:latest', 'zoo:1.0'],
  })
})

test('a layer that another image has is not freed, and that image does not hold the name', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  const config = '{"os":"linux"}'
  await client.pushBlob('acme/app', config)
  await client.pushManifest('acme/app', '2.0', {
    ...manifest,
    config: { ...manifest.config, digest: await client.pushBlob('acme/app', config), size: config.length },
  })
  expect(await freedBy(ctx.db, named('1.0', digest))).toEqual({
    freedBytes: manifest.config.size,
    heldBy: [],
  })
})

test('an index holds its manifests', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', 'part', LAYER_BYTES)
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const entry = { mediaType: manifest.mediaType, digest, size: JSON.stringify(manifest).length }
  const index = await client.pushManifest('acme/app', '1.0', {
    schemaVersion: 2,
    mediaType,
    manifests: [entry],
  })
  expect(await freedBy(ctx.db, named('part', digest))).toEqual({ freedBytes: 0, heldBy: ['app:1.0'] })
  expect(await freedBy(ctx.db, named('1.0', index))).toEqual({ freedBytes: 0, heldBy: [] })
})

/** The same database; every statement is noted. */
function noted(db: Db) {
  const statements: string[] = []
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      statements.push(node.kind)
      return node
    },
    transformResult: async ({ result }) => result,
  }
  return { db: db.withPlugin(plugin), statements }
}

test('as many statements for a hundred layers as for one', async () => {
  const { ctx, client } = await setup()
  const layers = Array.from({ length: 100 }, (_, i) => `layer ${i}`)
  const one = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  for (const layer of layers) await client.pushBlob('acme/app', layer)
  const digest = await client.pushManifest('acme/app', '2.0', imageManifest(LAYER_BYTES, layers))
  const few = noted(ctx.db)
  await freedBy(few.db, named('1.0', one.digest))
  const many = noted(ctx.db)
  expect(await freedBy(many.db, named('2.0', digest))).toEqual({
    freedBytes: layers.join('').length,
    heldBy: [],
  })
  expect(many.statements).toEqual(few.statements)
  expect(many.statements).toHaveLength(3)
})

/** Manifests without a name that share the layer of the pushed one, and the config too. */
async function addUnnamed(ctx: TestContext, digest: string, count: number): Promise<void> {
  const manifest = await ctx.db
    .selectFrom('manifests')
    .selectAll()
    .where('digest', '=', digest)
    .executeTakeFirstOrThrow()
  const references = await ctx.db.selectFrom('manifest_references').selectAll().execute()
  await ctx.db.transaction().execute(async (trx) => {
    for (let i = 0; i < count; i++) {
      const copy = `sha256:${String(i).padStart(64, '0')}`
      await trx
        .insertInto('manifests')
        .values({ ...manifest, digest: copy })
        .execute()
      const rows = references.map((row) => ({ ...row, manifestDigest: copy }))
      await trx.insertInto('manifest_references').values(rows).execute()
    }
  })
}

test('thousands of manifests without a name do not keep others waiting, nor bytes from being freed', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  await addUnnamed(ctx, digest, 2_000)
  let turns = 0
  let isDone = false
  const others = (async () => {
    while (!isDone) {
      await setImmediate()
      turns++
    }
  })()
  const { freedBytes } = await freedBy(ctx.db, named('1.0', digest))
  isDone = true
  await others
  expect(freedBytes).toBe(manifest.config.size + 1000)
  // Of each of the two blobs, 2,001 manifests in pages of 200.
  expect(turns).toBeGreaterThanOrEqual(20)

  // The very last of them has a name: then nothing is freed.
  const last = `sha256:${'1999'.padStart(64, '0')}`
  const tag = { repositoryId: 1, tag: 'last', digest: last, updatedAt: 1, expiresAt: null }
  await ctx.db.insertInto('tags').values(tag).execute()
  expect((await freedBy(ctx.db, named('1.0', digest))).freedBytes).toBe(0)
})

test('of very many names that hold the content the first are told', async () => {
  const { ctx, client } = await setup()
  const { digest } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  const tags = Array.from({ length: MAX_HELD_BY + 5 }, (_, i) => `t${1000 + i}`)
  const { id: repositoryId } = await ctx.db.selectFrom('repositories').select('id').executeTakeFirstOrThrow()
  const values = tags.map((tag) => ({ repositoryId, tag, digest, updatedAt: 1, expiresAt: null }))
  await ctx.db.insertInto('tags').values(values).execute()
  const { freedBytes, heldBy } = await freedBy(ctx.db, named('1.0', digest))
  expect(heldBy).toEqual(tags.slice(0, MAX_HELD_BY).map((tag) => `app:${tag}`))
  expect(freedBytes).toBe(0)
})

test('content that is not there', async () => {
  const { ctx } = await setup()
  const nothing = { freedBytes: 0, heldBy: [] }
  expect(await freedBy(ctx.db, named('1.0', null))).toEqual(nothing)
  expect(await freedBy(ctx.db, named('1.0', 'sha256:0', 'none'))).toEqual(nothing)
  const gone = ctx.db.transaction().execute((trx) => removeImageContent(trx, named('1.0', null, 'none')))
  expect(await gone).toBeUndefined()
})

test('removing takes the tag at once, and manifest and bytes after the grace time', async () => {
  const { ctx, client } = await setup()
  const { digest, layer } = await client.pushImage('acme/app', '1.0', LAYER_BYTES)
  await ctx.db.deleteFrom('images').execute()
  const remove = () => ctx.db.transaction().execute((trx) => removeImageContent(trx, named('1.0', digest)))
  const repositoryId = (await remove())!
  await collectRepository(ctx, repositoryId)
  await client.call('GET', '/v2/acme/app/manifests/1.0', 404)
  await client.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
  await client.call('GET', `/v2/acme/app/blobs/${layer}`, 200)
  ctx.advance(2 * GRACE_MS)
  expect(await collectRepository(ctx, repositoryId)).toMatchObject({ manifests: 1, links: 2, blobs: 2 })
  expect(await ctx.blobs.size(layer)).toBeUndefined()
  expect(await remove()).toBe(repositoryId)
})

test.each([
  ['another tag', 'latest'],
  ['another image', '2.0'],
])('%s keeps the manifest', async (_, tag) => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0')
  await client.pushManifest('acme/app', tag, manifest)
  if (tag === '2.0') await ctx.db.deleteFrom('tags').where('tag', '=', tag).execute()
  await ctx.db.transaction().execute((trx) => removeImageContent(trx, named('1.0', digest)))
  await client.call('GET', '/v2/acme/app/manifests/1.0', 404)
  await client.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
})

test('a manifest that another push has just stored survives the removal of its name', async () => {
  const { ctx, client } = await setup()
  const { digest, manifest } = await client.pushImage('acme/app', '1.0')
  ctx.advance(2 * GRACE_MS)
  await client.pushManifest('acme/app', digest, manifest)
  await ctx.db.deleteFrom('images').execute()
  const removed = ctx.db.transaction().execute((trx) => removeImageContent(trx, named('1.0', digest)))
  await collectRepository(ctx, (await removed)!)
  await client.call('GET', `/v2/acme/app/manifests/${digest}`, 200)
})
