import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { openArchiveStream } from '../../../src/archive/open-archive.ts'
import type { ErrorCode } from '../../../src/errors/codes.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import { OCI_LAYER_ZSTD } from '../../../src/oci/media-types.ts'
import type { LoadEvent } from '../../../src/operations/load/events.ts'
import { type LoadingEngine, loadImages } from '../../../src/operations/load/load-images.ts'
import { classicEntries, type Entry, LayoutBuilder, layerTar, pax, tar } from '../../archive/build-archive.ts'
import { flipped, saved } from '../../archive/refusal.ts'
import { openDescriptors, temporaryFolder } from '../../archive/temporary-folder.ts'
import { takingEngine } from './taking-engine.ts'

const folder = temporaryFolder()
const untouched = () => Promise.reject(new Error('the engine was touched'))
let base: Buffer
let top: Buffer
beforeAll(async () => {
  base = await layerTar('base', Buffer.alloc(100_000, 'base'))
  top = await layerTar('top', 'top')
})

async function load(
  bytes: Uint8Array,
  engine: () => Promise<LoadingEngine> = untouched,
  events: LoadEvent[] = [],
) {
  return loadImages(engine, { source: await folder.file(bytes) }, (event) => events.push(event))
}

const layoutOf = (build: (builder: LayoutBuilder) => unknown[]) => {
  const builder = new LayoutBuilder()
  return tar(builder.entries(build(builder)))
}
const named = (descriptor: object, name: string) => ({
  ...descriptor,
  annotations: { 'org.opencontainers.image.ref.name': name },
})

describe('an archive that is bad never reaches the engine:', () => {
  const many = () => Array.from({ length: 100_001 }, (_, i): Entry => ({ name: `e${i}` }))
  const bad: [string, () => Uint8Array, ErrorCode][] = [
    ['garbage', () => randomBytes(10_000), 'ARCHIVE_INVALID'],
    ['nothing', () => Buffer.alloc(0), 'ARCHIVE_INVALID'],
    ['a huge size in a header', () => tar([{ name: 'a', size: 8 ** 11 - 1 }]), 'ARCHIVE_INVALID'],
    ['a huge pax size', () => tar([pax({ size: '9007199254740991' }), { name: 'a' }]), 'ARCHIVE_INVALID'],
    [
      'a path that leads out',
      () => tar([...saved(), { name: '../../etc/passwd', body: 'x' }]),
      'ARCHIVE_INVALID',
    ],
    ['an absolute path', () => tar([...saved(), { name: '/etc/passwd', body: 'x' }]), 'ARCHIVE_INVALID'],
    [
      'a link that leads out',
      () => tar([...saved(), { name: 'a/l', type: '2', linkname: '../../x' }]),
      'ARCHIVE_INVALID',
    ],
    ['an entry that is there twice', () => tar([...saved(), ...saved()]), 'ARCHIVE_INVALID'],
    ['a missing layer', () => tar(saved().toSpliced(1, 1)), 'ARCHIVE_INVALID'],
    [
      'a config that is not JSON',
      () => tar(saved({ config: { name: 'config.json', body: '{' } })),
      'ARCHIVE_INVALID',
    ],
    ['100,001 entries', () => tar([...saved(), ...many()]), 'ARCHIVE_INVALID'],
    [
      'a layer that is not what the config says',
      () => tar(saved({ layer: { name: 'a/layer.tar', body: flipped(top) } })),
      'DIGEST_MISMATCH',
    ],
    [
      'a blob that no image uses and that is not what its name says',
      () => tar([...saved(), { name: `blobs/sha256/${'0'.repeat(64)}`, body: 'x' }]),
      'DIGEST_MISMATCH',
    ],
    [
      'a compressed layer that is another one uncompressed',
      () =>
        layoutOf((b) => {
          const image = b.image([base])
          const config = b.json(
            { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [`sha256:${'1'.repeat(64)}`] } },
            'application/vnd.oci.image.config.v1+json',
          )
          b.drop(image.digest)
          return [b.manifest(config, [b.blob(gzipSync(base), 'application/vnd.oci.image.layer.v1.tar+gzip')])]
        }),
      'DIGEST_MISMATCH',
    ],
  ]
  test.each(bad)('%s', async (_, bytes, code) => {
    const before = openDescriptors()
    const failure = await load(bytes()).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ImgctlError)
    expect(failure).toMatchObject({ code })
    expect(openDescriptors()).toBe(before)
  })

  test('a layer that is a decompression bomb', async () => {
    const layer = await layerTar('zeros', Buffer.alloc(20_000_000))
    const archive = await openArchiveStream(Readable.from([layoutOf((b) => [b.image([layer])])]))
    const limits = { maxExpansion: 100, unsuspiciousBytes: 1_000_000 }
    await expect(archive.verify(limits)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await expect(archive.verify({ maxBytes: 10_000_000 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await archive.verify()
    await archive.close()
  })
})

describe('a classic engine is given', () => {
  test('a docker-save archive as it is', async () => {
    const { engine, taken } = takingEngine(folder)
    const loaded = await load(tar(classicEntries([{ tags: ['app:1', 'b:2'], layers: [base] }])), engine)
    expect(loaded.map(({ name }) => name)).toEqual(['app:1', 'b:2'])
    expect(taken.kind).toBe('docker-save')
  })

  test('a layout as a docker-save archive, zstd layers decompressed', async () => {
    const { engine, taken } = takingEngine(folder)
    const bytes = layoutOf((b) => {
      const image = b.image([base, top])
      const parsed = { digest: image.digest, mediaType: image.mediaType, size: image.size }
      return [named(parsed, 'docker.io/team/app:1')]
    })
    expect(await load(bytes, engine)).toMatchObject([{ name: 'team/app:1' }])
    expect(taken.kind).toBe('docker-save')
    const zstd = layoutOf((b) => {
      const config = b.json(
        { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [b.blob(top, 'x').digest] } },
        'application/vnd.oci.image.config.v1+json',
      )
      b.drop(b.blob(top, 'x').digest)
      return [b.manifest(config, [b.blob(zstdCompressSync(top), OCI_LAYER_ZSTD)])]
    })
    expect(await load(zstd, engine)).toMatchObject([{ name: undefined }])
  })

  test('of images that differ in platform the one that runs there', async () => {
    const { engine, taken } = takingEngine(folder)
    const bytes = layoutOf((b) => [
      named(b.index([b.image([base]), b.image([top], { architecture: 'arm64' })]), 'app:1'),
    ])
    await load(bytes, engine)
    expect(taken.images).toEqual(['app:1'])
  })
})

describe('an engine with a containerd store is given', () => {
  test('a layout as it is, when its names are whole', async () => {
    const { engine, taken } = takingEngine(folder, 'containerd')
    let digest = ''
    const bytes = layoutOf((b) => {
      const image = b.image([base])
      digest = image.digest
      return [named(image, 'docker.io/team/app:1')]
    })
    await load(bytes, engine)
    expect(taken).toMatchObject({ kind: 'oci-layout', manifests: [digest] })
  })

  test.each([
    ['app:1', ['app:1']],
    ['1.0', undefined],
  ])('a layout that names its image %s with a name that can be found again', async (name, names) => {
    const { engine, taken } = takingEngine(folder, 'containerd')
    let digest = ''
    const bytes = layoutOf((b) => {
      const image = b.image([base])
      digest = image.digest
      return [named(image, name)]
    })
    const loaded = await load(bytes, engine)
    expect(taken.manifests).toEqual([digest])
    expect(loaded.map((each) => each.name)).toEqual(names ?? [undefined])
  })
})

test('warns of an image that cannot run on the server', async () => {
  const events: LoadEvent[] = []
  const entries = classicEntries([{ tags: ['app:1'], layers: [base], platform: { architecture: 'arm64' } }])
  await load(tar(entries), takingEngine(folder).engine, events)
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  expect(warnings).toEqual([expect.stringContaining('app:1 is linux/arm64')])
})

test('a stream that stalls is left when the signal is aborted', async () => {
  const controller = new AbortController()
  const reason = new Error('stopped by the test')
  const source = new Readable({ read() {} })
  source.push(tar(saved()).subarray(0, 1000))
  const loading = loadImages(untouched, { source }, () => {}, controller.signal)
  setImmediate(() => controller.abort(reason))
  await expect(loading).rejects.toBe(reason)
})
