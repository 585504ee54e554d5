import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { collectAll, collectOrphanFiles, collectRepository } from '../../../src/server/content/collect.ts'
import { cleanUp, startJanitor } from '../../../src/server/content/janitor.ts'
import { linkBlob } from '../../../src/server/content/links.ts'
import { storeBlob } from '../../../src/server/content/store-blob.ts'
import {
  apiKey,
  basic,
  Client,
  descriptor,
  GRACE_MS,
  imageManifest,
  serve,
  sha256,
  testContext,
} from '../registry-context.ts'

async function setup(graceMs = GRACE_MS) {
  const ctx = await testContext({ graceMs })
  const server = await serve(ctx)
  const key = await apiKey(ctx, 'acme')
  const client = new Client(server, basic(key))
  const blobFiles = async () => {
    const found: string[] = []
    for await (const digest of ctx.blobs.digests()) found.push(digest)
    return found.sort()
  }
  return { ctx, server, client, blobFiles }
}

const NOTHING = { manifests: 0, links: 0, blobs: 0, bytes: 0 }

test('what a tag needs stays for ever; what nothing needs goes after the grace time', async () => {
  const { ctx, client, blobFiles } = await setup()
  const kept = await client.pushImage('acme/app', '1.0', 'kept')
  const moved = await client.pushImage('acme/app', '2.0', 'moved')
  const now = await client.pushImage('acme/app', '2.0', 'now')
  const loose = await client.pushBlob('acme/app', 'loose')
  ctx.advance(GRACE_MS - 60_000)
  expect(await collectAll(ctx)).toEqual(NOTHING)
  ctx.advance(120_000)
  expect(await collectAll(ctx)).toMatchObject({ manifests: 1, links: 3, blobs: 3 })
  await client.call('GET', `/v2/acme/app/manifests/${moved.digest}`, 404)
  for (const image of [kept, now]) {
    await client.call('GET', `/v2/acme/app/manifests/${image.digest}`, 200)
    await client.call('GET', `/v2/acme/app/blobs/${image.layer}`, 200)
  }
  expect(await blobFiles()).toEqual([kept.layer, kept.config, now.layer, now.config].sort())
  await client.call('HEAD', `/v2/acme/app/blobs/${loose}`, 404)
})

test('a repository of any size is cleaned up page by page', async () => {
  const { ctx, client } = await setup()
  const { layer } = await client.pushImage('acme/app', '1.0')
  const { id } = await ctx.db.selectFrom('repositories').select('id').executeTakeFirstOrThrow()
  const digests = Array.from({ length: 1_201 }, (_, n) => sha256(`gone ${n}`))
  for (const digest of digests) {
    await ctx.db
      .transaction()
      .execute((trx) => linkBlob(trx, { digest, size: 1, repositoryId: id, now: ctx.now() }))
  }
  const rows: number[] = []
  const counted = ctx.db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      rows.push(result.rows.length)
      return result
    },
  })
  ctx.advance(GRACE_MS + 60_000)
  expect(await collectAll({ ...ctx, db: counted })).toMatchObject({ links: 1_201, blobs: 1_201 })
  expect(Math.max(...rows)).toBe(500)
  await client.call('GET', `/v2/acme/app/blobs/${layer}`, 200)

  // What a crash left of the rows, too.
  for (const digest of digests)
    await ctx.db.insertInto('blobs').values({ digest, size: 1, createdAt: 0 }).execute()
  rows.length = 0
  expect(await collectAll({ ...ctx, db: counted })).toMatchObject({ links: 0, blobs: 1_201 })
  expect(Math.max(...rows)).toBe(500)
})

test('a push that finds content there keeps it for another grace time', async () => {
  const { ctx, server, client } = await setup()
  const { digest, layer } = await client.pushImage('acme/app', 'old', 'text')
  await client.pushImage('acme/app', 'old', 'new')
  const mounted = await client.pushBlob('acme/base', 'base')
  const reader = new Client(server, basic(await apiKey(ctx, 'acme', ['read:images'])))
  const unused = await client.pushBlob('acme/app', 'only read')
  const pulled = await client.pushBlob('acme/app', 'only pulled')
  ctx.advance(GRACE_MS - 60_000)
  await client.call('HEAD', `/v2/acme/app/blobs/${layer}`, 200)
  await client.call('HEAD', `/v2/acme/app/manifests/${digest}`, 200)
  await client.call('POST', `/v2/acme/app/blobs/uploads/?mount=${mounted}&from=acme/base`, 201)
  await reader.call('HEAD', `/v2/acme/app/blobs/${unused}`, 200)
  await client.call('GET', `/v2/acme/app/blobs/${pulled}`, 200)
  ctx.advance(120_000)
  await collectAll(ctx)
  await client.call('HEAD', `/v2/acme/app/blobs/${layer}`, 200)
  await client.call('HEAD', `/v2/acme/app/manifests/${digest}`, 200)
  await client.call('HEAD', `/v2/acme/app/blobs/${mounted}`, 200)
  await client.call('HEAD', `/v2/acme/base/blobs/${mounted}`, 404)
  await client.call('HEAD', `/v2/acme/app/blobs/${unused}`, 404)
  await client.call('HEAD', `/v2/acme/app/blobs/${pulled}`, 404)
})

test('an index keeps its manifests, a subject its referrers, an image its digest', async () => {
  const { ctx, client, blobFiles } = await setup()
  const part = await client.pushImage('acme/app', sha256('not it').slice(7, 20), 'part')
  await client.call('DELETE', `/v2/acme/app/manifests/${sha256('not it').slice(7, 20)}`, 202)
  const entry = { mediaType: OCI_MANIFEST, digest: part.digest, size: JSON.stringify(part.manifest).length }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] }
  const top = await client.pushManifest('acme/app', 'index', index)
  await client.pushBlob('acme/app', '{}')
  const signature = {
    ...imageManifest('{}', []),
    config: descriptor(OCI_EMPTY, '{}'),
    subject: { ...entry, mediaType: OCI_INDEX, digest: top },
  }
  const signed = await client.pushManifest('acme/app', sha256(JSON.stringify(signature)), signature)
  const image = await client.pushImage('acme/app', 'image', 'image')
  await ctx.db.deleteFrom('tags').where('tag', '=', 'image').execute()
  ctx.advance(2 * GRACE_MS)
  expect(await collectAll(ctx)).toEqual(NOTHING)
  await client.call('GET', `/v2/acme/app/manifests/${image.digest}`, 200)
  await client.call('GET', `/v2/acme/app/manifests/${signed}`, 200)

  await client.call('DELETE', '/v2/acme/app/manifests/index', 202)
  await ctx.db.deleteFrom('images').execute()
  expect(await collectAll(ctx)).toMatchObject({ manifests: 4 })
  expect(await blobFiles()).toEqual([])
  expect(await ctx.db.selectFrom('repositories').selectAll().execute()).toEqual([])
  expect(await ctx.db.selectFrom('blobs').selectAll().execute()).toEqual([])
})

test('a blob stays as long as any repository links it', async () => {
  const { ctx, client } = await setup()
  const { layer } = await client.pushImage('acme/app', '1.0', 'shared')
  await client.pushBlob('acme/second', 'shared')
  ctx.advance(2 * GRACE_MS)
  expect(await collectAll(ctx)).toMatchObject({ links: 1, blobs: 0 })
  await client.call('GET', `/v2/acme/app/blobs/${layer}`, 200)
})

test('one repository alone', async () => {
  const { ctx, client } = await setup()
  const loose = await client.pushBlob('acme/app', 'loose')
  await client.pushBlob('acme/second', 'other')
  ctx.advance(2 * GRACE_MS)
  const { repositoryId } = await ctx.db
    .selectFrom('blob_links')
    .select('repositoryId')
    .where('digest', '=', loose)
    .executeTakeFirstOrThrow()
  expect(await collectRepository(ctx, repositoryId)).toEqual({ manifests: 0, links: 1, blobs: 1, bytes: 5 })
  await client.call('HEAD', `/v2/acme/second/blobs/${sha256('other')}`, 200)
})

test('files that a crash left without a row go; those of a blob being stored stay', async () => {
  const { ctx, client, blobFiles } = await setup()
  await client.upload('acme/app')
  const { id: repositoryId } = await ctx.db.selectFrom('repositories').select('id').executeTakeFirstOrThrow()
  await ctx.blobs.writeBlob(Readable.from([Buffer.from('orphan')]), {}, async () => {})
  let sweep: Promise<unknown> | undefined
  await ctx.blobs.writeBlob(Readable.from([Buffer.from('new')]), {}, async ({ digest, size }) => {
    sweep = collectOrphanFiles(ctx)
    await sleep(20)
    await ctx.db.transaction().execute((trx) => linkBlob(trx, { digest, size, repositoryId, now: ctx.now() }))
  })
  await sweep
  expect(await blobFiles()).toEqual([sha256('new')])
})

test('pushes beside a collector that has no patience never end with a tag whose content is gone', async () => {
  // Everything is old at once: the collector takes whatever nothing refers to at that moment.
  const { ctx, client } = await setup(-1)
  let pushing = true
  const collector = (async () => {
    while (pushing) {
      await collectAll(ctx)
      await collectOrphanFiles(ctx)
    }
  })()
  const push = async (tag: string) => {
    // What the collector takes in between is told to the client, which sends it again.
    for (let attempt = 0; attempt < 200; attempt++) {
      try {
        return await client.pushImage('acme/app', tag, `layer ${Number(tag) % 3}`)
      } catch (error) {
        if (!/MANIFEST_BLOB_UNKNOWN|UPLOAD_UNKNOWN/.test(String(error))) throw error
      }
    }
    throw new Error(`${tag} never got through`)
  }
  const tags = Array.from({ length: 24 }, (_, i) => String(i))
  const images = await Promise.all(tags.map(push))
  pushing = false
  await collector
  await collectAll(ctx)
  for (const [i, { config, layer }] of images.entries()) {
    await client.call('GET', `/v2/acme/app/manifests/${i}`, 200)
    for (const digest of [config, layer]) {
      const got = await client.call('GET', `/v2/acme/app/blobs/${digest}`, 200)
      expect(sha256(await got.text())).toBe(digest)
    }
  }
})

test('the same blob stored and deleted by many at once is whole or gone, never a row without a file', async () => {
  const { ctx, client } = await setup()
  const path = `/v2/acme/app/blobs/${sha256('contested')}`
  await client.upload('acme/app')
  const store = () => client.pushBlob('acme/app', 'contested')
  const drop = () =>
    client.call('DELETE', path, 202).catch((error) => {
      if (!String(error).includes('BLOB_UNKNOWN')) throw error
    })
  await Promise.all(Array.from({ length: 30 }, (_, i) => (i % 2 ? store() : drop())))
  await store()
  expect(await (await client.call('GET', path, 200)).text()).toBe('contested')
  await drop()
  expect(await ctx.blobs.size(sha256('contested'))).toBeUndefined()
})

test('a round of the janitor: expired uploads and staging tags, files of dead uploads, content', async () => {
  const { ctx, client, blobFiles } = await setup()
  const { manifest } = await client.pushImage('acme/app', '_imgctl-staged')
  const path = await client.upload('acme/app')
  await client.call('PATCH', path, 202, { body: 'some bytes' })
  await ctx.blobs.uploads.create('write-of-a-dead-process')
  await cleanUp(ctx, { orphansToo: true })
  expect((await ctx.blobs.uploads.list()).length).toBe(2)
  ctx.advance(GRACE_MS + 60_000)
  await client.upload('acme/app')
  await cleanUp(ctx, { orphansToo: true })
  expect((await ctx.blobs.uploads.list()).length).toBe(1)
  expect(await ctx.db.selectFrom('tags').selectAll().execute()).toEqual([])
  expect(await ctx.db.selectFrom('manifests').selectAll().execute()).toEqual([])
  expect(await blobFiles()).toEqual([])
  expect(
    await client.refused('PUT', '/v2/acme/app/manifests/1.0', 400, {
      body: JSON.stringify(manifest),
    }),
  ).toContain('MANIFEST_BLOB_UNKNOWN')
})

test('a janitor that has nothing to do stops at once', async () => {
  const { ctx } = await setup()
  await startJanitor(ctx).stop()
})

test('a blob that was stored for nobody is linked by storeBlob', async () => {
  const { ctx, client } = await setup()
  await client.upload('acme/app')
  const { id } = await ctx.db.selectFrom('repositories').select('id').executeTakeFirstOrThrow()
  const source = Readable.from([Buffer.from('fetched')])
  await storeBlob(ctx, { repositoryId: id, source, expectedDigest: sha256('fetched'), maxBytes: 7 })
  await client.call('GET', `/v2/acme/app/blobs/${sha256('fetched')}`, 200)
})
