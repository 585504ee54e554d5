import { execFileSync } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ArchiveImage, OpenedArchive } from '../../src/archive/archive-image.ts'
import { openArchive, openArchiveStream } from '../../src/archive/open-archive.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../../src/oci/media-types.ts'
import {
  classicEntries,
  configJson,
  type Entry,
  hex,
  LayoutBuilder,
  layerTar,
  pax,
  tar,
} from './build-archive.ts'
import { openDescriptors, temporaryFolder } from './temporary-folder.ts'

const folder = temporaryFolder()
let base: Buffer
let top: Buffer

beforeAll(async () => {
  base = await layerTar('base.txt', Buffer.alloc(700_000, 'base'))
  top = await layerTar('top.txt', 'top')
})

/** Opens, answers what `look` sees, closes, and checks that nothing is left. */
async function opened<T>(path: string, look: (archive: OpenedArchive) => Promise<T>): Promise<T> {
  const before = openDescriptors()
  const archive = await openArchive(path, { spool: { folder: folder.spool } })
  try {
    return await look(archive)
  } finally {
    await archive.close()
    expect(folder.spooledFiles()).toEqual([])
    expect(openDescriptors()).toBe(before)
  }
}

const openedTar = async <T>(entries: readonly Entry[], look: (archive: OpenedArchive) => Promise<T>) =>
  opened(await folder.file(tar(entries)), look)

async function layersOf(image: ArchiveImage): Promise<Buffer[]> {
  const read: Buffer[] = []
  for (const layer of image.layers) read.push(await buffer(await layer.open()))
  return read
}

/** Equal bytes have equal digests, and those compare fast. */
const digestsOf = async (image: ArchiveImage) => (await layersOf(image)).map((bytes) => digestBytes(bytes))

describe('a classic docker-save archive', () => {
  const twoLayers = () => classicEntries([{ tags: ['app:1.0', 'docker.io/team/app:2'], layers: [base, top] }])

  test.each(['plain', 'gzip'])('is opened when it is %s', async (form) => {
    const bytes = tar(twoLayers())
    const path = await folder.file(form === 'plain' ? bytes : gzipSync(bytes))
    await opened(path, async ({ kind, images }) => {
      expect(kind).toBe('docker-save')
      expect(images).toHaveLength(1)
      const image = images[0]!
      expect(image.repoTags).toEqual(['app:1.0', 'team/app:2'])
      expect(image.names).toEqual(['app:1.0', 'docker.io/team/app:2'])
      expect(image.platform).toEqual({ os: 'linux', architecture: 'amd64' })
      expect(image.config.entrypoint).toEqual(['/hello'])
      expect(image.configDigest).toBe(digestBytes(image.configBytes))
      expect(image.manifest).toBeUndefined()
      expect(image.layers.map(({ diffID }) => diffID)).toEqual([digestBytes(base), digestBytes(top)])
      expect(image.layers.map(({ storedSize }) => storedSize)).toEqual([base.length, top.length])
      expect(image.layers.map(({ compression }) => compression)).toEqual(['none', 'none'])
      expect(image.layers.map(({ descriptor }) => descriptor)).toEqual([undefined, undefined])
      expect(await digestsOf(image)).toEqual([digestBytes(base), digestBytes(top)])
    })
  })

  test('holds several images, which may have no names', async () => {
    const entries = classicEntries([
      { tags: ['one:1'], layers: [base] },
      { tags: null, layers: [base, top] },
    ])
    await openedTar(entries, async ({ images }) => {
      expect(images.map(({ names }) => names)).toEqual([['one:1'], []])
      expect(await digestsOf(images[1]!)).toEqual([digestBytes(base), digestBytes(top)])
    })
  })

  test('may have an image without layers', async () => {
    await openedTar(classicEntries([{ tags: ['empty:1'], layers: [] }]), async ({ images }) => {
      expect(images[0]!.layers).toEqual([])
    })
  })

  test('may start its paths with ./', async () => {
    const entries = twoLayers().map((entry) => ({ ...entry, name: `./${entry.name}` }))
    await openedTar(entries, async ({ images }) => {
      expect(await digestsOf(images[0]!)).toEqual([digestBytes(base), digestBytes(top)])
    })
  })

  test.each([
    ['a symbolic link', '2', '../first/layer.tar'],
    ['a hard link', '1', 'first/layer.tar'],
    ['a link to a link', '2', 'again.tar'],
  ])('shares a layer by %s', async (_, type, linkname) => {
    const config = configJson([base, base])
    const entries: Entry[] = [
      { name: 'first/layer.tar', body: base },
      { name: 'second/again.tar', type: '2', linkname: '../first/layer.tar' },
      { name: 'second/layer.tar', type, linkname },
      { name: 'config.json', body: config },
      {
        name: 'manifest.json',
        body: JSON.stringify([
          { Config: 'config.json', RepoTags: ['a:1'], Layers: ['first/layer.tar', 'second/layer.tar'] },
        ]),
      },
    ]
    await openedTar(entries, async ({ images }) => {
      expect(images[0]!.layers.map(({ path }) => path)).toEqual(['first/layer.tar', 'first/layer.tar'])
      expect(await digestsOf(images[0]!)).toEqual([digestBytes(base), digestBytes(base)])
    })
  })

  test.each(['gzip', 'zstd'] as const)(
    'may hold %s layers, which are checked by diffID',
    async (compression) => {
      const stored = compression === 'gzip' ? gzipSync(base) : zstdCompressSync(base)
      const config = configJson([base])
      // Crane and kaniko write such names; a zstd layer is only accepted as a blob.
      const path = compression === 'gzip' ? `${hex(stored)}.tar.gz` : `blobs/sha256/${hex(stored)}`
      const entries: Entry[] = [
        { name: `sha256:${hex(config)}`, body: config },
        { name: path, body: stored },
        {
          name: 'manifest.json',
          body: JSON.stringify([{ Config: `sha256:${hex(config)}`, RepoTags: ['a:1'], Layers: [path] }]),
        },
      ]
      await openedTar(entries, async ({ images }) => {
        const layer = images[0]!.layers[0]!
        expect(layer.compression).toBe(compression)
        expect(layer.descriptor?.digest).toBe(compression === 'gzip' ? undefined : digestBytes(stored))
        expect(stored.equals(await buffer(await layer.open()))).toBe(true)
      })
    },
  )

  test('may use GNU long names, pax paths and base-256 sizes', async () => {
    const long = `${'deep/'.repeat(40)}layer.tar`
    const config = configJson([base, top])
    const entries: Entry[] = [
      { name: 'global', type: 'g', body: '20 comment=anything\n' },
      { name: '././@LongLink', type: 'L', body: `${long}\0` },
      { name: 'cut', body: base, base256: true },
      pax({ path: 'päx/layer.tar', size: String(top.length) }),
      { name: 'short', body: top, size: 0 },
      { name: 'c.json', body: config },
      {
        name: 'manifest.json',
        body: JSON.stringify([{ Config: 'c.json', RepoTags: null, Layers: [long, 'päx/layer.tar'] }]),
      },
    ]
    await openedTar(entries, async ({ images }) => {
      expect(await digestsOf(images[0]!)).toEqual([digestBytes(base), digestBytes(top)])
    })
  })

  test('may lack the mark at its end', async () => {
    const bytes = tar(twoLayers())
    const path = await folder.file(bytes.subarray(0, bytes.length - 1024))
    await opened(path, async ({ images }) => {
      expect(images).toHaveLength(1)
    })
  })
})

describe('an archive that is docker-save and OCI layout at once', () => {
  /** As Docker 25 and later write it. */
  function mixed(stored: (layer: Buffer) => Buffer, mediaType: string) {
    const layout = new LayoutBuilder()
    const config = layout.blob(configJson([base, top]), OCI_CONFIG)
    const layers = [base, top].map((layer) => layout.blob(stored(layer), mediaType))
    const manifest = layout.manifest(config, layers)
    const path = ({ digest }: { digest: string }) => `blobs/sha256/${digest.slice(7)}`
    const entries: Entry[] = [
      ...layout.entries([manifest]),
      {
        name: 'manifest.json',
        body: JSON.stringify([{ Config: path(config), RepoTags: ['m:1'], Layers: layers.map(path) }]),
      },
    ]
    return { entries, manifest, layers }
  }

  test.each([
    ['none', (layer: Buffer) => layer, OCI_LAYER],
    ['gzip', (layer: Buffer) => gzipSync(layer), OCI_LAYER_GZIP],
    ['zstd', (layer: Buffer) => zstdCompressSync(layer), OCI_LAYER_ZSTD],
  ] as const)('keeps manifest and descriptors (compression %s)', async (compression, stored, mediaType) => {
    const { entries, manifest, layers } = mixed(stored, mediaType)
    await openedTar(entries, async ({ kind, images }) => {
      expect(kind).toBe('docker-save')
      const image = images[0]!
      expect(image.repoTags).toEqual(['m:1'])
      expect(image.manifest?.digest).toBe(manifest.digest)
      expect(digestBytes(image.manifest!.bytes)).toBe(manifest.digest)
      expect(image.layers.map((layer) => layer.descriptor)).toEqual(layers)
      expect(image.layers.map((layer) => layer.compression)).toEqual([compression, compression])
      expect(await digestsOf(image)).toEqual([base, top].map((layer) => digestBytes(stored(layer))))
    })
  })

  test('has no manifest for an image that its index does not name', async () => {
    const { entries } = mixed((layer) => layer, OCI_LAYER)
    const other = new LayoutBuilder()
    const index = { schemaVersion: 2, manifests: [other.image([top])] }
    const changed = entries.map((entry) =>
      entry.name === 'index.json' ? { ...entry, body: JSON.stringify(index) } : entry,
    )
    await openedTar(changed, async ({ images }) => {
      expect(images[0]!.manifest).toBeUndefined()
      expect(images[0]!.layers[0]!.descriptor?.mediaType).toBe(OCI_LAYER)
    })
  })
})

describe('an OCI layout', () => {
  test.each(['tar', 'gzip', 'folder'])('is opened as %s', async (form) => {
    const layout = new LayoutBuilder()
    const manifest = layout.image([base, top])
    const entries = layout.entries([
      { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'team/app:1.0' } },
    ])
    const bytes = tar(entries)
    const path = await (form === 'folder'
      ? folder.folder(entries)
      : folder.file(form === 'tar' ? bytes : gzipSync(bytes)))
    await opened(path, async ({ kind, images }) => {
      expect(kind).toBe('oci-layout')
      const image = images[0]!
      expect(image.repoTags).toEqual(['team/app:1.0'])
      expect(image.manifest?.digest).toBe(manifest.digest)
      expect((await layersOf(image)).map((bytes) => digestBytes(gunzipSync(bytes)))).toEqual([
        digestBytes(base),
        digestBytes(top),
      ])
    })
  })

  test('may be a folder of links', async () => {
    const layout = new LayoutBuilder()
    const real = await folder.folder(layout.entries([layout.image([top])]))
    const linked = await folder.folder([])
    for (const name of ['oci-layout', 'index.json', 'blobs'])
      await symlink(join(real, name), join(linked, name))
    await opened(linked, async ({ images }) => {
      expect(await digestsOf(images[0]!)).toEqual([digestBytes(gzipSync(top))])
    })
  })

  test('has every platform that is complete, each once, without attestations and artifacts', async () => {
    const layout = new LayoutBuilder()
    const amd64 = layout.image([base])
    const arm64 = layout.image([top], { architecture: 'arm64', variant: 'v8' })
    const absent = layout.image([base, top], { architecture: 's390x' })
    layout.drop(absent.digest)
    const attestation = layout.manifest(layout.json({ a: 1 }, OCI_CONFIG), [])
    const signature = layout.manifest(layout.json({}, 'application/vnd.dev.cosign.simplesigning.v1+json'), [])
    const index = layout.index([
      { ...amd64, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm64, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...absent, platform: { os: 'linux', architecture: 's390x' } },
      {
        ...attestation,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
    ])
    const named = (name: string) => ({ annotations: { 'io.containerd.image.name': name } })
    const entries = layout.entries([
      { ...index, ...named('docker.io/library/app:1') },
      { ...amd64, ...named('app:amd64') },
      signature,
    ])
    await openedTar(entries, async ({ images }) => {
      expect(images.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64'])
      expect(images.map(({ repoTags }) => repoTags)).toEqual([['app:1', 'app:amd64'], ['app:1']])
    })
  })

  test('gives a bare tag as a name that is no reference', async () => {
    const layout = new LayoutBuilder()
    const annotations = { 'org.opencontainers.image.ref.name': '1.0' }
    await openedTar(layout.entries([{ ...layout.image([top]), annotations }]), async ({ images }) => {
      expect(images[0]!.names).toEqual(['1.0'])
      expect(images[0]!.repoTags).toEqual([])
    })
  })
})

describe('reading a layer', () => {
  const single = async () => folder.file(tar(classicEntries([{ tags: ['a:1'], layers: [base] }])))

  test.each([0, 1, 262_144, 300_000, 700_000])('goes on at byte %i', async (offset) => {
    await opened(await single(), async ({ images }) => {
      const rest = await buffer(await images[0]!.layers[0]!.open({ offset }))
      expect(rest.equals(base.subarray(offset))).toBe(true)
    })
  })

  test('is possible many times at once', async () => {
    await opened(await single(), async ({ images }) => {
      const layer = images[0]!.layers[0]!
      const reads = await Promise.all(Array.from({ length: 20 }, async () => buffer(await layer.open())))
      expect(reads.every((read) => read.equals(base))).toBe(true)
    })
  })

  test('ends when its signal is aborted', async () => {
    await opened(await single(), async ({ images }) => {
      const controller = new AbortController()
      const stream = await images[0]!.layers[0]!.open({ signal: controller.signal })
      const reason = new Error('stopped by the test')
      const read = (async () => {
        for await (const _ of stream) controller.abort(reason)
      })()
      await expect(read).rejects.toBe(reason)
    })
  })
})

test('reports its progress up to the size of the file', async () => {
  const bytes = tar(classicEntries([{ tags: ['a:1'], layers: [base] }]))
  for (const path of [await folder.file(bytes), await folder.file(gzipSync(bytes))]) {
    const seen: [number, number][] = []
    const archive = await openArchive(path, {
      onProgress: (bytesRead, total) => seen.push([bytesRead, total!]),
      spool: { folder: folder.spool },
    })
    await archive.close()
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every(([read, total], i) => read <= total && (i === 0 || read >= seen[i - 1]![0]))).toBe(true)
  }
})

const PACKED: readonly [string, (bytes: Buffer) => Buffer][] = [
  ['plain', (bytes) => bytes],
  ['gzip', (bytes) => gzipSync(bytes)],
  [
    'gzip in members',
    (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]),
  ],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
  [
    'zstd in frames',
    (bytes) =>
      Buffer.concat([zstdCompressSync(bytes.subarray(0, 700)), zstdCompressSync(bytes.subarray(700))]),
  ],
  ['xz', (bytes) => execFileSync('xz', ['-c'], { input: bytes })],
  ['bzip2', (bytes) => execFileSync('bzip2', ['-c'], { input: bytes })],
]

describe.each(PACKED)('an archive that is %s', (_, pack) => {
  const bytes = () => pack(tar(classicEntries([{ tags: ['app:1.0'], layers: [base, top] }])))
  const digests = () => [base, top].map((layer) => digestBytes(layer))

  test('is opened as a file', () =>
    folder
      .file(bytes())
      .then((path) =>
        opened(path, async ({ images }) => expect(await digestsOf(images[0]!)).toEqual(digests())),
      ))

  test('is opened as a stream whose first piece is short', async () => {
    const whole = bytes()
    async function* all() {
      yield whole.subarray(0, 3)
      yield whole.subarray(3)
    }
    const archive = await openArchiveStream(all(), { spool: { folder: folder.spool } })
    expect(folder.spooledFiles()).toEqual([])
    expect(await digestsOf(archive.images[0]!)).toEqual(digests())
    await archive.close()
  })
})

test('a stream of nothing is refused', async () => {
  await expect(openArchiveStream(Readable.from([]))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
})

test('stops opening when its signal is aborted, and leaves nothing', async () => {
  const bytes = tar(classicEntries([{ tags: ['a:1'], layers: [base] }]))
  const before = openDescriptors()
  for (const path of [await folder.file(bytes), await folder.file(gzipSync(bytes))]) {
    const reason = new Error('stopped by the test')
    const options = { signal: AbortSignal.abort(reason), spool: { folder: folder.spool } }
    await expect(openArchive(path, options)).rejects.toBe(reason)
  }
  expect(folder.spooledFiles()).toEqual([])
  expect(openDescriptors()).toBe(before)
})
