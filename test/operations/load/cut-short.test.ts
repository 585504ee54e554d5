import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, expect, test, vi } from 'vitest'
import { readDockerExport } from '../../../src/archive/docker-export.ts'
import { exportToLayout } from '../../../src/archive/export-to-layout.ts'
import { writeTar } from '../../../src/archive/tar-write.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import { OCI_CONFIG, OCI_LAYER } from '../../../src/oci/media-types.ts'
import { type LoadingEngine, loadImages } from '../../../src/operations/load/load-images.ts'
import { BLOCK, configJson, hex, LayoutBuilder, layerTar, pax, tar } from '../../archive/build-archive.ts'
import { layer, saved } from '../../archive/refusal.ts'
import { openDescriptors, temporaryFolder } from '../../archive/temporary-folder.ts'
import { takingEngine } from './taking-engine.ts'

/** `npm run test:fuzz` cuts everywhere, files and streams; else bodies in the middle of a tar are cut here and there. */
const EVERYWHERE = process.env['IMGCTL_FUZZ_RUNS'] !== undefined
const SOME_OF_BODIES = 61
/** These take ten times as long. */
const SOME_OF_SLOW = 13
const EDGE_BYTES = 1024
const TIMEOUT_MS = EVERYWHERE ? 1_800_000 : 120_000

interface Whole {
  readonly name: string
  readonly bytes: Buffer
  /** Where the last byte that counts ends: a tar ends with padding and zeros. */
  readonly content: number
  /** Where it may be cut before that, and is an archive of the same image still. */
  readonly same?: readonly number[]
  readonly isSlow?: boolean
}

const folder = temporaryFolder()
beforeAll(() => {
  vi.stubEnv('TMPDIR', folder.spool)
})

const small = await layerTar('small', 'small')
const NAMED = { annotations: { 'io.containerd.image.name': 'app:1' } }
const classic = tar([pax({ comment: 'an extended header' }), ...saved()])

const layout = (() => {
  const builder = new LayoutBuilder()
  const image = builder.image([layer, small])
  return tar(builder.entries([{ ...image, ...NAMED }]))
})()

/** As Docker writes it since 25: a layout of plain layers, and a manifest.json that points into it. */
const mixed = (() => {
  const builder = new LayoutBuilder()
  const config = configJson([layer, small])
  const layers = [layer, small].map((each) => builder.blob(each, OCI_LAYER))
  const image = builder.manifest(builder.blob(config, OCI_CONFIG), layers)
  const [Config, ...Layers] = [config, layer, small].map((bytes) => `blobs/sha256/${hex(bytes)}`)
  return tar([
    ...builder.entries([{ ...image, ...NAMED }]),
    { name: 'manifest.json', body: JSON.stringify([{ Config, RepoTags: ['app:1'], Layers }]) },
  ])
})()

const MANIFEST_AT = mixed.indexOf('manifest.json')

function contentOf(bytes: Buffer): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function plain(name: string, bytes: Buffer, same: readonly number[] = []): Whole {
  return { name, bytes, content: contentOf(bytes), same }
}

function packed(name: string, bytes: Buffer, isSlow = false): Whole {
  return { name, bytes, content: bytes.length, isSlow }
}

const TARS = [
  plain('docker-save', classic),
  // Without its manifest.json it is a layout.
  plain('mixed', mixed, range(contentOf(mixed.subarray(0, MANIFEST_AT)), MANIFEST_AT)),
  plain('OCI layout', layout),
]
const COMPRESSED = [
  packed('gzip', gzipSync(classic)),
  packed('zstd', zstdCompressSync(classic)),
  packed('xz', execFileSync('xz', ['-c'], { input: classic }), true),
  packed('bzip2', execFileSync('bzip2', ['-c'], { input: classic }), true),
]

/** How many bytes are left of an archive. */
function cuts({ bytes, isSlow }: Whole): number[] {
  const isHeader = (block: number) => bytes.toString('latin1', block + 257, block + 262) === 'ustar'
  return [...bytes.keys()].filter((at) => {
    if (EVERYWHERE || at % (isSlow ? SOME_OF_SLOW : SOME_OF_BODIES) === 0) return true
    if (isSlow) return false
    return at < EDGE_BYTES || at >= bytes.length - EDGE_BYTES || isHeader(at - (at % BLOCK))
  })
}

async function load(bytes: Buffer, asStream: boolean) {
  const { engine, taken } = takingEngine(folder)
  let asked = 0
  const counted = (): Promise<LoadingEngine> => {
    asked++
    return engine()
  }
  const path = join(folder.root, 'cut')
  if (!asStream) await writeFile(path, bytes)
  const source = asStream ? Readable.from([Buffer.from(bytes)]) : path
  const loaded = await loadImages(counted, { source }, () => {}).catch((error: unknown) => error)
  return { loaded, asked, images: taken.images, configs: taken.configs }
}

function expectRefusal(error: unknown, what: string): void {
  expect(error, what).toBeInstanceOf(ImgctlError)
  const { code, message } = error as ImgctlError
  expect(['ARCHIVE_INVALID', 'DIGEST_MISMATCH'], `${what}: ${message}`).toContain(code)
  expect(message, what).toMatch(/\w+ \w+ \w+/)
}

test.each([...TARS, ...COMPRESSED])(
  '$name, cut at any byte, never reaches the engine unless all of the image is there',
  async (whole) => {
    const { bytes, content, same = [] } = whole
    const expected = await load(bytes, true)
    expect(expected).toMatchObject({ asked: 1, images: ['app:1'], loaded: [{ name: 'app:1' }] })
    const before = openDescriptors()
    for (const at of cuts(whole)) {
      for (const asStream of EVERYWHERE ? [false, true] : [at % 2 === 1]) {
        const outcome = await load(bytes.subarray(0, at), asStream)
        const what = `cut at ${at} of ${bytes.length}${asStream ? ', a stream' : ''}`
        if (outcome.asked === 0) expectRefusal(outcome.loaded, what)
        else expect(outcome, what).toEqual(expected)
        if (at < content && !same.includes(at)) expect(outcome.asked, what).toBe(0)
      }
    }
    expect(openDescriptors()).toBe(before)
    expect(folder.spooledFiles()).toEqual([])
  },
  TIMEOUT_MS,
)

test.each(TARS)(
  'an export like $name that ends at any byte is no image unless all of it is there',
  async (whole) => {
    const { bytes, content, same = [] } = whole
    const before = openDescriptors()
    for (const at of cuts(whole)) {
      for (const pass of [asLayers, asLayout]) {
        const what = `cut at ${at} of ${bytes.length}, ${pass.name}`
        const error = await pass(Readable.from([Buffer.from(bytes.subarray(0, at))])).catch(
          (caught: unknown) => caught,
        )
        if (error !== undefined) expectRefusal(error, what)
        else expect(at >= content || same.includes(at), what).toBe(true)
      }
    }
    expect(openDescriptors()).toBe(before)
    expect(folder.spooledFiles()).toEqual([])
  },
  TIMEOUT_MS,
)

/** As a push reads an engine's export. */
async function asLayers(stream: Readable): Promise<void> {
  const images = await readDockerExport(stream, async ({ body }) => {
    for await (const _ of body);
  })
  expect(images).toHaveLength(1)
}

/** As `image save --format oci` does. */
async function asLayout(stream: Readable): Promise<void> {
  for await (const _ of writeTar(exportToLayout(stream)));
}
