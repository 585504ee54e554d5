import { readdirSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { ImgctlError } from '../../../src/errors/error.ts'
import type { SavingEngine } from '../../../src/operations/save/engine-content.ts'
import type { SaveEvent } from '../../../src/operations/save/events.ts'
import { type SaveRequest, saveImages } from '../../../src/operations/save/save-images.ts'
import { classicEntries, layerTar, tar } from '../../archive/build-archive.ts'
import { temporaryFolder } from '../../archive/temporary-folder.ts'

const root = temporaryFolder().root
const platform = { os: 'linux', architecture: 'amd64' }
const exported = tar(
  classicEntries([{ tags: ['app:1'], layers: [await layerTar('a', Buffer.alloc(500_000, 'a'))] }]),
)
let folder: string
let count = 0
beforeEach(async () => {
  folder = join(root, String(count++))
  await mkdir(folder)
})

function engine(body: () => Readable = () => Readable.from([exported])): SavingEngine {
  return {
    info: async () => ({
      product: 'docker',
      version: '1',
      apiVersion: '1.41',
      store: 'classic',
      platform,
      host: 'x',
    }),
    inspectImage: async (reference) => {
      if (reference === 'gone:1') throw new ImgctlError('IMAGE_NOT_FOUND', 'gone')
      return {
        id: `sha256:${'0'.repeat(64)}`,
        platform,
        size: 7,
        repoTags: [],
        variants: [],
        diffIDs: [],
        entrypoint: [],
        cmd: [],
      }
    },
    exportImages: async () => body(),
  }
}

const save = (
  path: string,
  request: Partial<SaveRequest> = {},
  {
    from = engine(),
    events = [] as SaveEvent[],
    signal,
  }: { from?: SavingEngine; events?: SaveEvent[]; signal?: AbortSignal } = {},
) =>
  saveImages(
    { engine: async () => from, remote: () => Promise.reject(new Error('not remote')) },
    { images: ['app:1'], remote: false, ...request },
    { path },
    (event) => events.push(event),
    signal,
  )

test('the export goes to the file as it is, with its phases', async () => {
  const events: SaveEvent[] = []
  const path = join(folder, 'a.tar')
  expect(await save(path, {}, { events })).toEqual({ bytes: exported.length })
  expect((await readFile(path)).equals(exported)).toBe(true)
  const phases = events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []))
  expect(phases).toEqual(['prepare', 'export', 'sync'])
})

test.each([
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
] as const)('compressed with %s it is the same', async (compress, unpack) => {
  const path = join(folder, 'a.tar')
  const { bytes } = await save(path, { compress })
  const packed = await readFile(path)
  expect(packed.length).toBe(bytes)
  expect(unpack(packed).equals(exported)).toBe(true)
})

describe('nothing is left, and an older file stays,', () => {
  const kept = async () => {
    expect(readdirSync(folder)).toEqual(['a.tar'])
    expect(await readFile(join(folder, 'a.tar'), 'utf8')).toBe('old')
  }
  beforeEach(() => writeFile(join(folder, 'a.tar'), 'old'))

  test('when the engine dies half way', async () => {
    async function* dying() {
      yield exported.subarray(0, 300_000)
      throw new ImgctlError('ENGINE_UNREACHABLE', 'the engine is gone')
    }
    const from = engine(() => Readable.from(dying()))
    await expect(save(join(folder, 'a.tar'), {}, { from })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
    })
    await kept()
  })

  test('when the export is cut and a layout is made of it', async () => {
    const from = engine(() => Readable.from([exported.subarray(0, 300_000)]))
    const saving = save(join(folder, 'a.tar'), { format: 'oci' }, { from })
    await expect(saving).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' })
    await kept()
  })

  test('when it is interrupted while the engine is silent', async () => {
    const controller = new AbortController()
    const reason = new ImgctlError('INTERRUPTED', 'interrupted')
    const silent = new Readable({ read() {} })
    silent.push(exported.subarray(0, 1000))
    const events: SaveEvent[] = []
    const saving = save(
      join(folder, 'a.tar'),
      {},
      { from: engine(() => silent), signal: controller.signal, events },
    )
    setTimeout(() => controller.abort(reason), 50)
    await expect(saving).rejects.toBe(reason)
    await kept()
  })

  test('when an image is not there', async () => {
    const saving = save(join(folder, 'a.tar'), { images: ['app:1', 'gone:1'] })
    await expect(saving).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    await kept()
  })

  test('when it is of another platform', async () => {
    const saving = save(join(folder, 'a.tar'), { platform: { os: 'linux', architecture: 'arm64' } })
    await expect(saving).rejects.toMatchObject({
      code: 'ARCH_MISMATCH',
      hint: expect.stringContaining('pull'),
    })
    await kept()
  })
})

describe('an output that cannot be a file is refused before the engine is asked:', () => {
  const untouched: SavingEngine = {
    info: () => Promise.reject(new Error('touched')),
    inspectImage: () => Promise.reject(new Error('touched')),
    exportImages: () => Promise.reject(new Error('touched')),
  }
  test.each([
    ['a folder', () => folder, 'FILE_UNREADABLE'],
    ['in a folder that is not there', () => join(folder, 'no', 'a.tar'), 'FILE_NOT_FOUND'],
    ['below a file', () => '/etc/passwd/a.tar', 'FILE_NOT_FOUND'],
    ['a device', () => '/dev/full', 'FILE_UNREADABLE'],
  ])('%s', async (_, path, code) => {
    await expect(save(path(), {}, { from: untouched })).rejects.toMatchObject({ code })
    expect(readdirSync(folder)).toEqual([])
  })
})

test('a link is followed', async () => {
  await symlink('real.tar', join(folder, 'link.tar'))
  await writeFile(join(folder, 'real.tar'), 'old')
  await save(join(folder, 'link.tar'))
  expect((await readFile(join(folder, 'real.tar'))).equals(exported)).toBe(true)
})

test('a stream gets the same bytes, and its failure is the failure', async () => {
  const ports = { engine: async () => engine(), remote: () => Promise.reject(new Error('not remote')) }
  const request = { images: ['app:1', 'app:1'], remote: false }
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk)
      done()
    },
  })
  await saveImages(ports, request, { stream }, () => {})
  expect(Buffer.concat(chunks).equals(exported)).toBe(true)
  const closed = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  await expect(saveImages(ports, request, { stream: closed }, () => {})).rejects.toThrow('EPIPE')
})
