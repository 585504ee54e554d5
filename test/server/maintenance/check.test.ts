import { readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Finding, FindingCode } from '../../../src/ports/server-data.ts'
import { blobPath } from '../../../src/server/content/blob-store.ts'
import { checkData } from '../../../src/server/maintenance/check.ts'
import { apiKey, basic, Client, GRACE_MS, serve, type TestContext, testContext } from '../registry-context.ts'

const LAYER = 'layer '.repeat(1000)

interface Store {
  readonly ctx: TestContext
  readonly digest: string
  readonly layer: string
  readonly dataDir: string
}

/** A server with one image, whose row says that it is active. */
async function store(): Promise<Store> {
  const ctx = await testContext()
  const client = new Client(await serve(ctx), basic(await apiKey(ctx, 'acme')))
  const { digest, layer } = await client.pushImage('acme/app', '1.0', LAYER)
  await ctx.db.updateTable('images').set({ state: 'active' }).execute()
  return { ctx, digest, layer, dataDir: ctx.settings.dataDir }
}

function check({ ctx, dataDir }: Store) {
  const options = { signal: new AbortController().signal, orphansBefore: Date.now() - GRACE_MS }
  return checkData(ctx.db, dataDir, options)
}

const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code)
/** A time before the grace time began. */
const LONG_AGO = new Date(Date.now() - 2 * GRACE_MS)

test('a whole folder has no findings, and all of it is counted', async () => {
  const report = await check(await store())
  expect(report).toMatchObject({ findings: [], blobs: 2, manifests: 1, tags: 1, images: 1 })
  expect(report.bytes).toBeGreaterThan(LAYER.length)
})

/** Each does one damage; where more than one thing is wrong then, all of it is expected. */
const DAMAGES: readonly [string, (store: Store) => Promise<unknown>, FindingCode[], RegExp][] = [
  [
    'a blob file is gone',
    ({ dataDir, layer }) => rm(blobPath(dataDir, layer as never)),
    ['BLOB_MISSING'],
    /not there/,
  ],
  [
    'a blob file is cut',
    ({ dataDir, layer }) => truncate(blobPath(dataDir, layer as never), 10),
    ['BLOB_DAMAGED'],
    /has 10 bytes instead of 6000/,
  ],
  [
    'one byte of a blob is another',
    async ({ dataDir, layer }) => {
      const path = blobPath(dataDir, layer as never)
      const bytes = await readFile(path)
      bytes[77]! ^= 1
      await writeFile(path, bytes)
    },
    ['BLOB_DAMAGED'],
    /hashes to sha256:/,
  ],
  [
    'a blob file is there and cannot be opened',
    async ({ dataDir, layer }) => {
      const path = blobPath(dataDir, layer as never)
      await rename(path, `${path}.away`)
      await symlink(path, path)
    },
    ['BLOB_UNREADABLE'],
    /cannot be read: ELOOP/,
  ],
  [
    'a link is gone',
    ({ ctx, layer }) => ctx.db.deleteFrom('blob_links').where('digest', '=', layer).execute(),
    ['CONTENT_MISSING'],
    /the blob sha256:\w+, which it needs/,
  ],
  [
    'a row of what a manifest needs is gone',
    ({ ctx, layer }) => ctx.db.deleteFrom('manifest_references').where('digest', '=', layer).execute(),
    ['MANIFEST_DAMAGED'],
    /not recorded as needed/,
  ],
  [
    "a manifest's bytes are others",
    ({ ctx }) =>
      ctx.db
        .updateTable('manifests')
        .set({ content: Buffer.from('{}') })
        .execute(),
    ['MANIFEST_DAMAGED'],
    /hash to sha256:44136fa3/,
  ],
  [
    "a manifest's subject is another",
    ({ ctx }) => ctx.db.updateTable('manifests').set({ subject: 'sha256:0' }).execute(),
    ['MANIFEST_DAMAGED'],
    /another subject/,
  ],
  [
    'a tag points nowhere',
    ({ ctx }) => ctx.db.updateTable('tags').set({ digest: 'sha256:0' }).execute(),
    ['TAG_BROKEN', 'IMAGE_BROKEN'],
    /points at sha256:0, which is not there/,
  ],
  [
    'an active image has no tag',
    ({ ctx }) => ctx.db.deleteFrom('tags').execute(),
    ['IMAGE_BROKEN'],
    /does not point at sha256:/,
  ],
  [
    'a row of another table is missing',
    async ({ ctx }) => {
      const { sql } = await import('kysely')
      await sql`PRAGMA foreign_keys = OFF`.execute(ctx.db)
      await ctx.db.deleteFrom('users').execute()
    },
    ['DATABASE_DAMAGED', 'DATABASE_DAMAGED', 'DATABASE_DAMAGED'],
    /refers to a row of users that is not there/,
  ],
  [
    'a label does not find its image',
    async ({ ctx }) => {
      await ctx.db.updateTable('images').set({ labelsJson: '{"team":"a"}' }).execute()
      await ctx.db.deleteFrom('image_labels').execute()
    },
    ['DATABASE_DAMAGED'],
    /its label team does not find it/,
  ],
  [
    'a label finds an image that does not have it',
    async ({ ctx }) => {
      await ctx.db.updateTable('images').set({ labelsJson: '{"team":"a"}' }).execute()
      await ctx.db.updateTable('image_labels').set({ value: 'b' }).execute()
    },
    ['DATABASE_DAMAGED', 'DATABASE_DAMAGED'],
    /found by a label team, which it does not have/,
  ],
  [
    'the sum for the quota is another',
    ({ ctx }) => ctx.db.updateTable('organizations').set({ storedBytes: 7 }).execute(),
    ['DATABASE_DAMAGED', 'DATABASE_DAMAGED'],
    /its blobs have \d+ bytes, and 7 are counted/,
  ],
  ['the keys are gone', ({ dataDir }) => rm(join(dataDir, 'keys.json')), ['KEYS_MISSING'], /passwords/],
  [
    'the keys are of another server',
    async ({ ctx, dataDir }) => {
      const registry = { id: 'r', organizationId: 'org-acme', name: 'r', host: 'r.test', secure: 1 }
      const more = { username: 'u', project: '', isDefault: 0, createdAt: 1, updatedAt: 1 }
      const sealedPassword = ctx.keys.seal('secret')
      await ctx.db
        .insertInto('registries')
        .values({ ...registry, ...more, sealedPassword })
        .execute()
      const keys = JSON.parse(await readFile(join(dataDir, 'keys.json'), 'utf8'))
      keys.sealing = Buffer.alloc(32).toString('base64url')
      await writeFile(join(dataDir, 'keys.json'), JSON.stringify(keys))
    },
    ['KEYS_WRONG'],
    /cannot be read with the keys/,
  ],
  [
    'a blob file has no row',
    async ({ dataDir, layer }) => {
      const orphan = blobPath(dataDir, layer as never).replace(/.$/, (last) => (last === '0' ? '1' : '0'))
      await writeFile(orphan, 'x')
      await utimes(orphan, LONG_AGO, LONG_AGO)
    },
    ['FILE_ORPHANED'],
    /nothing in the database/,
  ],
  [
    'an upload has no row',
    async ({ dataDir }) => {
      const orphan = join(dataDir, 'uploads', 'write-1')
      await writeFile(orphan, 'x')
      await utimes(orphan, LONG_AGO, LONG_AGO)
    },
    ['FILE_ORPHANED'],
    /nothing in the database/,
  ],
]

test.each(DAMAGES)('%s', async (_, damage, expected, problem) => {
  const damaged = await store()
  await damage(damaged)
  const { findings } = await check(damaged)
  expect(codes(findings)).toEqual(expected)
  expect(findings.map((finding) => finding.problem)).toContainEqual(expect.stringMatching(problem))
  expect(findings.every(({ subject }) => subject.length > 0)).toBe(true)
})

test('what lies around for less than the grace time may be at work', async () => {
  const fresh = await store()
  await writeFile(join(fresh.dataDir, 'uploads', 'write-1'), 'x')
  expect((await check(fresh)).findings).toEqual([])
})

test('layers that live elsewhere, and an index without its other platforms, are whole', async () => {
  const { ctx, dataDir, ...rest } = await store()
  const client = new Client(await serve(ctx), basic(await apiKey(ctx, 'acme')))
  const { manifest } = await client.pushImage('acme/app', '2.0', 'other')
  const foreign = {
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    digest: `sha256:${'a'.repeat(64)}`,
    size: 5,
    urls: ['https://example.test/layer'],
  }
  await client.pushManifest('acme/app', '3.0', { ...manifest, layers: [...manifest.layers, foreign] })
  expect((await check({ ctx, dataDir, ...rest })).findings).toEqual([])
})
