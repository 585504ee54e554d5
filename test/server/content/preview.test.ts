import { expect, test } from 'vitest'
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { cleanUp } from '../../../src/server/content/janitor.ts'
import { previewCollection } from '../../../src/server/content/preview.ts'
import { Random, randomSeed } from '../random.ts'
import {
  apiKey,
  basic,
  Client,
  GRACE_MS,
  serve,
  sha256,
  type TestContext,
  testContext,
} from '../registry-context.ts'

const REPOSITORIES = ['acme/a', 'acme/b']

/** Pushes, indexes, referrers, moved and deleted tags, mounts, and pauses, in an order that the seed decides. */
async function makeHistory(ctx: TestContext, client: Client, random: Random): Promise<void> {
  const known: { name: string; digest: string; size: number }[] = []
  const remember = async (name: string, digest: string) => {
    const row = await ctx.db
      .selectFrom('manifests')
      .select('size')
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (row) known.push({ name, digest, size: row.size })
  }
  const tag = () => `t${random.below(4)}`
  const actions: (() => Promise<unknown>)[] = [
    async () => {
      const name = random.pick(REPOSITORIES)
      const pushed = await client.pushImage(name, tag(), `layer ${random.below(6)}`)
      await remember(name, pushed.digest)
    },
    async () => {
      const { name, digest, size } = random.pick(known)
      const manifests = [{ mediaType: OCI_MANIFEST, digest, size }]
      const index = {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests,
        annotations: { n: `${random.next()}` },
      }
      await client.pushManifest(name, random.chance(0.5) ? tag() : sha256(JSON.stringify(index)), index)
    },
    async () => {
      const { name, digest, size } = random.pick(known)
      const { manifest } = await client.pushImage(name, tag(), 'signature')
      const signature = { ...manifest, subject: { mediaType: OCI_MANIFEST, digest, size } }
      await client.pushManifest(name, sha256(JSON.stringify(signature)), signature)
      await remember(name, sha256(JSON.stringify(signature)))
    },
    () => client.pushBlob(random.pick(REPOSITORIES), `loose ${random.below(5)}`),
    () => client.upload(random.pick(REPOSITORIES)),
    async () => ctx.advance((GRACE_MS / 3) * random.next()),
    () => ctx.db.deleteFrom('tags').where('tag', '=', tag()).execute(),
    () => ctx.db.deleteFrom('images').where('tag', '=', tag()).execute(),
  ]
  await actions[0]!()
  // What an action refers to may be collected meanwhile; it is refused then, and nothing happens.
  for (let i = 0; i < 25; i++)
    await random
      .pick(actions)()
      .catch(() => {})
}

test('a preview says what the collection then removes', async () => {
  const seed = randomSeed()
  const ctx = await testContext()
  const client = new Client(await serve(ctx), basic(await apiKey(ctx, 'acme')))
  const random = new Random(seed)
  let removed = 0
  for (let round = 0; round < 8; round++) {
    await makeHistory(ctx, client, random)
    const preview = await previewCollection(ctx.db, ctx.now(), ctx.now() - GRACE_MS)
    const collected = await cleanUp(ctx, { orphansToo: true })
    expect(preview, `seed ${seed}, round ${round}`).toEqual(collected)
    removed += collected.manifests + collected.blobs
  }
  expect(removed, `seed ${seed}`).toBeGreaterThan(0)
})
