import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Image, ReasonCode } from '../../../src/contract/image.ts'
import { digestBytes, digestHex } from '../../../src/oci/digest.ts'
import { OCI_EMPTY } from '../../../src/oci/media-types.ts'
import { storeManifest } from '../../../src/server/content/manifests.ts'
import { storeBlob } from '../../../src/server/content/store-blob.ts'
import type { ServerContext } from '../../../src/server/context.ts'
import {
  encode,
  type ImageParts,
  layerBytes,
  type MadeImage,
  type ManifestDocument,
  makeImage,
  makeIndex,
  pushTag,
  storeImage,
} from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages

beforeEach(async () => {
  server = await openImages()
})
afterEach(() => server.close())

/** Pushes, lets `damage` have its way, and waits for the verdict. */
async function verdict(image: MadeImage, damage?: (ctx: ServerContext) => Promise<unknown>): Promise<Image> {
  await storeImage(server.ctx, server.acme, 'app', image)
  await pushTag(server.ctx, server.acme, 'app:1', image.digest)
  await damage?.(server.ctx)
  server.startReconciler()
  const { id } = (await server.call('GET', '/images/app:1')).body
  return server.settled(id)
}

function expectReason(image: Image, code: ReasonCode, message: RegExp): void {
  expect(image.state).toBe('error')
  expect(image.reason).toMatchObject({ code, message: expect.stringMatching(message), attempt: 1 })
  expect(image.reason?.hint).toBeTruthy()
  expect(image.errorReason).toBe(image.reason?.message)
}

test('a good image is active, with what was found out', async () => {
  const image = makeImage({ run: { Entrypoint: ['/bin/app'], Cmd: ['--serve'] } })
  const sizeBytes = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0)
  expect(await verdict(image)).toMatchObject({
    state: 'active',
    step: null,
    reason: null,
    digest: image.digest,
    platform: 'linux/amd64',
    sizeBytes,
    size: sizeBytes / 1024 ** 3,
    entrypoint: ['/bin/app', '--serve'],
  })
})

test.each<[string, ImageParts]>([
  ['no layers', { layers: [] }],
  ['the same layer twice', { layers: [layerBytes('x'), layerBytes('x')] }],
  ['another way to say amd64', { architecture: 'x86_64' }],
])('%s is fine', async (_, parts) => {
  expect((await verdict(makeImage(parts))).state).toBe('active')
})

const manifest = (change: (document: ManifestDocument) => void): ImageParts => ({
  manifest: (document) => {
    change(document)
    return document
  },
})

describe('what is wrong with the documents', () => {
  test.each<[string, ImageParts, ReasonCode, RegExp]>([
    ['arm64', { architecture: 'arm64' }, 'ARCH_MISMATCH', /linux\/arm64.*linux\/amd64/],
    ['nothing to run', { run: {} }, 'NO_ENTRYPOINT', /no entrypoint and no command/],
    [
      'diff_ids of another image',
      { diffIDs: [digestBytes(layerBytes('x'))] },
      'MANIFEST_INVALID',
      /1 diff_ids for 2/,
    ],
    [
      'a size that is not the blob’s',
      manifest(({ layers }) => layers.splice(0, 1, { ...layers[0]!, size: 7 })),
      'MANIFEST_INVALID',
      /has 1000 bytes, and the manifest says 7/,
    ],
    [
      'one blob with two sizes',
      manifest(({ layers }) => layers.splice(1, 1, { ...layers[0]!, size: 7 })),
      'MANIFEST_INVALID',
      /two sizes/,
    ],
    [
      'an artifact',
      manifest(({ config }) => Object.assign(config, { mediaType: OCI_EMPTY })),
      'MANIFEST_INVALID',
      /artifact.*not an image/,
    ],
  ])('%s: %s', async (_, parts, code, message) => {
    expectReason(await verdict(makeImage(parts)), code, message)
  })

  test('the hint for nothing to run is a command that helps', async () => {
    expect((await verdict(makeImage({ run: {} }))).reason?.hint).toContain('--entrypoint "sleep infinity"')
  })

  test('a config that is not JSON', async () => {
    const config = Buffer.from('not JSON')
    const base = makeImage()
    const document = JSON.parse(Buffer.from(base.manifest).toString()) as ManifestDocument
    Object.assign(document.config, { digest: digestBytes(config), size: config.length })
    const bytes = encode(document)
    const blobs = new Map([...base.blobs, [digestBytes(config), config]])
    const image = await verdict({ manifest: bytes, digest: digestBytes(bytes), blobs })
    expectReason(image, 'MANIFEST_INVALID', /config is not JSON/)
  })

  test('an image over the limit', async () => {
    await server.close()
    server = await openImages({ limits: { ...server.ctx.settings.limits, imageBytes: 2000 } })
    expectReason(await verdict(makeImage()), 'TOO_LARGE', /takes at most/)
  })

  test('a quota that became smaller', async () => {
    const image = await verdict(makeImage(), ({ db }) =>
      db.updateTable('organizations').set({ imageQuota: 0 }).execute(),
    )
    expectReason(image, 'QUOTA_EXCEEDED', /has 1 images, and may have 0/)
  })
})

describe('what is wrong on the disk', () => {
  const image = makeImage()
  const [config, layer] = [...image.blobs.keys()] as [`sha256:${string}`, `sha256:${string}`]
  const file = ({ settings }: ServerContext, digest: `sha256:${string}`) => {
    const hex = digestHex(digest)
    return join(settings.dataDir, 'blobs', 'sha256', hex.slice(0, 2), hex)
  }

  test('a blob is gone', async () => {
    expectReason(await verdict(image, (ctx) => rm(file(ctx, layer))), 'BLOB_MISSING', /is not on the server/)
  })

  test('a blob is cut short', async () => {
    const damaged = await verdict(image, (ctx) => truncate(file(ctx, layer), 10))
    expectReason(damaged, 'MANIFEST_INVALID', /has 10 bytes/)
  })

  test('the config has other bytes', async () => {
    const damaged = await verdict(image, (ctx) =>
      writeFile(file(ctx, config), Buffer.alloc(image.blobs.get(config)!.length, 'x')),
    )
    expectReason(damaged, 'DIGEST_MISMATCH', /config hashes to/)
  })

  test('the blob is there, but in no repository of this organization', async () => {
    const hidden = await verdict(image, ({ db }) =>
      db.deleteFrom('blob_links').where('digest', '=', layer).execute(),
    )
    expectReason(hidden, 'BLOB_MISSING', new RegExp(layer))
  })

  test('the manifest is gone', async () => {
    expectReason(
      await verdict(image, ({ db }) => db.deleteFrom('manifests').execute()),
      'BLOB_MISSING',
      /manifest/,
    )
  })

  test('the manifest has other bytes', async () => {
    const changed = await verdict(image, ({ db }) =>
      db
        .updateTable('manifests')
        .set({ content: Buffer.from('{}') })
        .execute(),
    )
    expectReason(changed, 'DIGEST_MISMATCH', /manifest hashes to/)
  })
})

describe('an index', () => {
  const amd64 = makeImage({ seed: 'amd64' })
  const arm64 = makeImage({ seed: 'arm64', architecture: 'arm64' })

  async function indexVerdict(index: Uint8Array, stored: readonly MadeImage[]): Promise<Image> {
    for (const image of stored) await storeImage(server.ctx, server.acme, 'app', image)
    const repositoryId = await storeImage(server.ctx, server.acme, 'app', amd64)
    await server.ctx.db
      .transaction()
      .execute((trx) => storeManifest(trx, { repositoryId, bytes: index, sparse: true, now: 1 }))
    await pushTag(server.ctx, server.acme, 'app:1', digestBytes(index))
    server.startReconciler()
    return server.settled((await server.call('GET', '/images/app:1')).body.id)
  }

  test('is what the name means; the platform of the server is what is checked', async () => {
    const index = makeIndex(
      [
        ['arm64', arm64],
        ['amd64', amd64],
      ],
      true,
    )
    expect(await indexVerdict(index, [arm64])).toMatchObject({
      state: 'active',
      digest: digestBytes(index),
      platform: 'linux/amd64',
    })
  })

  test('without the platform: which ones it has', async () => {
    expectReason(
      await indexVerdict(makeIndex([['arm64', arm64]], true), [arm64]),
      'ARCH_MISMATCH',
      /linux\/arm64/,
    )
  })

  test('whose entry says amd64 and whose config says arm64', async () => {
    expectReason(await indexVerdict(makeIndex([['amd64', arm64]]), [arm64]), 'ARCH_MISMATCH', /linux\/arm64/)
  })

  test('whose manifest is not here', async () => {
    const other = makeImage({ seed: 'other' })
    expectReason(
      await indexVerdict(makeIndex([['amd64', other]]), []),
      'BLOB_MISSING',
      new RegExp(other.digest),
    )
  })
})

test('sha512 digests are checked as such', async () => {
  const { createHash } = await import('node:crypto')
  const base = makeImage()
  const document = JSON.parse(Buffer.from(base.manifest).toString()) as ManifestDocument
  const bytes = base.blobs.get(document.config.digest)!
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}` as const
  Object.assign(document.config, { digest })
  const manifestBytes = encode(document)
  const repositoryId = await storeImage(server.ctx, server.acme, 'app', base)
  await storeBlob(server.ctx, { repositoryId, source: Readable.from([bytes]), expectedDigest: digest })
  const image = { manifest: manifestBytes, digest: digestBytes(manifestBytes), blobs: new Map() }
  expect((await verdict(image)).state).toBe('active')
})
