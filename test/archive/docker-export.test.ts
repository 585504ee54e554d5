import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type PassingLayer, readDockerExport } from '../../src/archive/docker-export.ts'
import { digestBytes } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_LAYER_GZIP } from '../../src/oci/media-types.ts'
import {
  BLOCK,
  classicEntries,
  configJson,
  type Entry,
  hex,
  LayoutBuilder,
  layerTar,
  tar,
} from './build-archive.ts'

const base = await layerTar('base.txt', Buffer.alloc(700_000, 'base'))
const top = await layerTar('top.txt', 'top')
const CHUNK = 64 * 1024

/** The bytes as an engine sends them: in pieces that know nothing of entries. */
function exported(bytes: Uint8Array, chunk = CHUNK): Readable {
  const pieces = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, i) =>
    bytes.subarray(i * chunk, (i + 1) * chunk),
  )
  return Readable.from(pieces, { objectMode: false })
}

async function read(entries: readonly Entry[], chunk?: number) {
  const layers = new Map<string, Buffer>()
  const images = await readDockerExport(exported(tar(entries), chunk), async ({ path, body }) => {
    layers.set(path, await buffer(body))
  })
  return { images, layers }
}

const readAll = async ({ body }: PassingLayer) => {
  await buffer(body)
}

const classic = () => classicEntries([{ tags: ['app:1.0'], layers: [base, top] }])

describe('an export', () => {
  test.each([1000, CHUNK, 10_000_000])(
    'hands out each layer before the images are known (chunks of %i)',
    async (chunk) => {
      const { images, layers } = await read(classic(), chunk)
      expect([...layers.keys()]).toEqual([`${hex(base)}/layer.tar`, `${hex(top)}/layer.tar`])
      const [image] = images
      expect(image!.repoTags).toEqual(['app:1.0'])
      expect(image!.layers.map(({ diffID }) => diffID)).toEqual([digestBytes(base), digestBytes(top)])
      expect(image!.layers.map(({ path }) => digestBytes(layers.get(path)!))).toEqual([
        digestBytes(base),
        digestBytes(top),
      ])
    },
  )

  test('hands out a shared layer once', async () => {
    const config = configJson([base, top, base])
    const manifest = [
      { Config: 'c.json', RepoTags: ['a:1'], Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'] },
    ]
    const { images, layers } = await read([
      { name: '1/layer.tar', type: '2', linkname: '../3/layer.tar' },
      { name: '2/layer.tar', body: top },
      { name: '3/layer.tar', body: base },
      { name: 'c.json', body: config },
      { name: 'manifest.json', body: JSON.stringify(manifest) },
    ])
    expect([...layers.keys()]).toEqual(['2/layer.tar', '3/layer.tar'])
    expect(images[0]!.layers.map(({ path }) => path)).toEqual(['3/layer.tar', '2/layer.tar', '3/layer.tar'])
  })

  test('of the containerd store has blobs that can be sent as they are', async () => {
    const layout = new LayoutBuilder()
    const config = layout.blob(configJson([base]), OCI_CONFIG)
    const blob = layout.blob(gzipSync(base), OCI_LAYER_GZIP)
    const manifest = layout.manifest(config, [blob])
    const path = ({ digest }: { digest: string }) => `blobs/sha256/${digest.slice(7)}`
    const saved = [{ Config: path(config), RepoTags: ['m:1'], Layers: [path(blob)] }]
    const { images, layers } = await read([
      ...layout.entries([manifest]).reverse(),
      { name: 'manifest.json', body: JSON.stringify(saved) },
    ])
    expect([...layers.keys()]).toEqual([path(blob)])
    expect(images[0]!.layers).toEqual([
      {
        path: path(blob),
        diffID: digestBytes(base),
        compression: 'gzip',
        storedSize: blob.size,
        descriptor: blob,
      },
    ])
    expect(images[0]!.manifest?.digest).toBe(manifest.digest)
  })

  test('may hold a layer without entries', async () => {
    const empty = Buffer.alloc(2 * BLOCK)
    const { layers } = await read(classicEntries([{ tags: ['a:1'], layers: [empty] }]))
    expect([...layers.values()]).toEqual([empty])
  })

  test.each<[string, (layer: PassingLayer) => Promise<void>]>([
    ['left alone', async () => {}],
    [
      'left in the middle',
      async ({ body }) => {
        for await (const _ of body) break
      },
    ],
    [
      'read without being ended',
      async ({ body }) => {
        body.read()
        await new Promise((resolve) => setImmediate(resolve))
      },
    ],
    [
      'destroyed',
      async ({ body }) => {
        body.destroy()
      },
    ],
  ])('skips what is not read of a body (%s), and verifies it too', async (_, onLayer) => {
    const images = await readDockerExport(exported(tar(classic()), 100_000), onLayer)
    expect(images[0]!.layers).toHaveLength(2)
    const damaged = tar(classic())
    damaged[damaged.lastIndexOf('basebase') + 5]! ^= 1
    await expect(readDockerExport(exported(damaged), onLayer)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
  })

  test('does not run ahead of a slow reader', async () => {
    let sent = 0
    const source = Readable.from(
      (async function* () {
        const bytes = tar(classic())
        for (let at = 0; at < bytes.length; at += 1000) {
          sent = at
          yield bytes.subarray(at, at + 1000)
        }
      })(),
      { objectMode: false },
    )
    const checks: boolean[] = []
    await readDockerExport(source, async ({ body, size }) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      checks.push(size < 300_000 || sent < 300_000)
      await buffer(body)
    })
    expect(checks).toEqual([true, true])
  })
})

describe('an export that fails', () => {
  test.each([0, 1, 511, 512, 2000, 4000, 100_000, 700_000])(
    'is refused when it ends after %i bytes',
    async (length) => {
      const cut = tar(classic()).subarray(0, length)
      await expect(readDockerExport(exported(cut), readAll)).rejects.toMatchObject({
        code: 'ARCHIVE_INVALID',
      })
    },
  )

  test('is refused when the connection closes early', async () => {
    const source = new PassThrough()
    source.write(tar(classic()).subarray(0, 100_000))
    setImmediate(() => source.destroy())
    await expect(readDockerExport(source, readAll)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
  })

  test.each([true, false])("shows the stream's own error (layer being read: %s)", async (reading) => {
    const cause = new Error('the engine died')
    const source = new PassThrough()
    source.write(tar(classic()).subarray(0, 100_000))
    setImmediate(() => source.destroy(cause))
    const onLayer = reading ? readAll : async () => {}
    await expect(readDockerExport(source, onLayer)).rejects.toBe(cause)
  })

  test("shows the reader's own error even when the engine is silent", async () => {
    const cause = new Error('upload failed')
    const source = new PassThrough()
    source.write(tar(classic()).subarray(0, 100_000))
    const reading = readDockerExport(source, async ({ body }) => {
      body.resume()
      await new Promise((resolve) => setTimeout(resolve, 20))
      throw cause
    })
    await expect(reading).rejects.toBe(cause)
    expect(source.destroyed).toBe(true)
  })

  test("shows the reader's own error and stops the export", async () => {
    const cause = new TypeError('upload failed')
    const source = exported(tar(classic()))
    const reading = readDockerExport(source, async ({ body }) => {
      for await (const _ of body) throw cause
    })
    await expect(reading).rejects.toBe(cause)
    expect(source.destroyed).toBe(true)
  })

  test.each([true, false])(
    'ends with the reason when it is aborted (layer being read: %s)',
    async (reading) => {
      const reason = new Error('stopped by the test')
      const controller = new AbortController()
      const source = new PassThrough()
      source.write(tar(classic()).subarray(0, 100_000))
      const pending = readDockerExport(
        source,
        async ({ body }) => {
          setImmediate(() => controller.abort(reason))
          if (reading) await buffer(body)
        },
        { signal: controller.signal },
      )
      await expect(pending).rejects.toBe(reason)
      expect(source.destroyed).toBe(true)
    },
  )

  const without = (name: string) => classic().filter((entry) => !entry.name.startsWith(name))
  const test2 = Buffer.from('not a tar at all, but named as a layer')

  test.each<[string, Entry[], string, RegExp]>([
    ['without manifest.json', without('manifest.json'), 'ARCHIVE_INVALID', /no 'manifest.json'/],
    ['without a layer', without(`${hex(top)}/layer.tar`), 'ARCHIVE_INVALID', /a layer is missing/],
    ['with ../ in a path', [{ name: '../x', body: top }, ...classic()], 'ARCHIVE_INVALID', /leads out/],
    [
      'with a link that leads out',
      [{ name: 'x', type: '2', linkname: '/etc' }, ...classic()],
      'ARCHIVE_INVALID',
      /leads out/,
    ],
    ['with manifest.json twice', [...classic(), ...classic().slice(-2)], 'ARCHIVE_INVALID', /there twice/],
    [
      'whose layer is no tar',
      classicEntries([{ tags: null, layers: [test2] }]),
      'ARCHIVE_INVALID',
      /is no layer/,
    ],
    [
      'whose config is a layer',
      [
        { name: 'l', body: top },
        { name: 'manifest.json', body: JSON.stringify([{ Config: 'l', Layers: ['l'] }]) },
      ],
      'ARCHIVE_INVALID',
      /neither a config nor a manifest/,
    ],
    [
      'with 40 MB of documents',
      Array.from({ length: 6 }, (_, i) => ({ name: `d${i}`, body: Buffer.alloc(7_000_000, '{') })),
      'ARCHIVE_INVALID',
      /configs and manifests/,
    ],
  ])('is refused %s', async (_, entries, code, message) => {
    const error = (await read(entries).catch((caught: unknown) => caught)) as Error
    expect(error.message).toMatch(message)
    expect(error).toMatchObject({ code })
  })
})
