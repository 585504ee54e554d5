import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileBlobCache } from '../../src/cache/blob-cache.ts'
import { FileCacheStore } from '../../src/cache/cache-store.ts'
import { FileUploadJournal } from '../../src/cache/upload-journal.ts'
import { type Digest, digestBytes } from '../../src/oci/digest.ts'
import type { Descriptor } from '../../src/oci/manifest.ts'
import { OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'

const HOST = 'registry.test:5000'
const DAY_MS = 86_400_000
const MANIFEST = Buffer.from('{"schemaVersion":2}')

let folder: string
let problems: string[]
let now: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-test-'))
  problems = []
  now = Date.now()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const options = () => ({
  folder: join(folder, 'cache'),
  keyFile: join(folder, 'config', 'cache.key'),
  onProblem: (text: string) => problems.push(text),
  now: () => now,
})
const cache = () => new FileBlobCache(options())
const file = () => join(folder, 'cache', 'blobs.json')
const learn = (blobs: Record<string, string>, repository = 'team/app', config?: Uint8Array) =>
  cache().remember({
    registry: HOST,
    repository,
    blobs: new Map(Object.entries(blobs).map(([layer, made]) => [diffID(layer), blob(made)])),
    image: config && {
      config: digestBytes(config),
      manifest: { mediaType: OCI_MANIFEST, digest: digestBytes(MANIFEST), size: MANIFEST.length },
      documents: [config, MANIFEST],
    },
  })
const foundBy = async (content: Digest, of = cache()) =>
  (await of.find(content, HOST)).map(({ descriptor }) => descriptor)
const found = (layer: string, of = cache()) => foundBy(diffID(layer), of)

test('what one run learned the next one knows', async () => {
  await learn({ a: 'a' })
  expect(await cache().find(diffID('a'), HOST)).toEqual([
    { descriptor: blob('a'), repositories: ['team/app'] },
  ])
  expect(await found('b')).toEqual([])
  expect(problems).toEqual([])
})

test('the blobs that several transports made of a layer are kept, the latest first', async () => {
  for (const made of ['a1', 'a2', 'a1', 'a3', 'a4']) await learn({ a: made })
  expect(await found('a')).toEqual([blob('a4'), blob('a3'), blob('a1')])
})

test('the repositories of this registry that had a blob, the latest first', async () => {
  await learn({ a: 'a' }, 'team/one')
  await learn({ a: 'a' }, 'team/two')
  expect((await cache().find(diffID('a'), HOST))[0]?.repositories).toEqual(['team/two', 'team/one'])
  expect((await cache().find(diffID('a'), 'other.test'))[0]?.repositories).toEqual([])
})

test('configs and manifests come back as the bytes that their digests name', async () => {
  const config = Buffer.from('{"os":"linux"}')
  await learn({}, 'team/app', config)
  const [manifest] = await foundBy(digestBytes(config))
  expect(await cache().document(manifest!.digest)).toEqual(MANIFEST)
  expect(await cache().document(digestBytes(config))).toEqual(config)
  for (const name of await readdir(join(folder, 'cache', 'documents'))) {
    await writeFile(join(folder, 'cache', 'documents', name), '{"os":"other"}')
  }
  expect(await cache().document(manifest!.digest)).toBeUndefined()
  expect(await cache().document(digestBytes(config))).toBeUndefined()
})

test('two runs keep each other’s entries', async () => {
  const [one, two] = [cache(), cache()]
  await Promise.all([found('a', one), found('a', two)])
  const learned = { registry: HOST, repository: 'team/app', image: undefined }
  await one.remember({ ...learned, blobs: new Map([[diffID('a'), blob('a')]]) })
  await two.remember({ ...learned, blobs: new Map([[diffID('b'), blob('b')]]) })
  expect([await found('a'), await found('b')]).toEqual([[blob('a')], [blob('b')]])
})

test('twenty processes at once: no entry is lost, and the file is whole whenever it is read', async () => {
  const processes = Array.from({ length: 20 }, (_, i) => writer(i))
  let ended = false
  const all = Promise.all(processes.map((child) => once(child, 'exit'))).finally(() => {
    ended = true
  })
  while (!ended) {
    const content = await readFile(file(), 'utf8').catch(() => '{}')
    expect(() => JSON.parse(content)).not.toThrow()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect((await all).map(([code]) => code)).toEqual(Array(20).fill(0))
  const later = cache()
  for (let i = 0; i < 20; i++) {
    for (let n = 0; n < 5; n++) expect(await found(`${i}-${n}`, later)).toEqual([blob(`${i}-${n}`)])
  }
  expect((await readdir(join(folder, 'cache'))).sort()).toEqual(['blobs.json', 'locks'])
})

test.each([
  ['garbage', '{"sha256:short": {"size": -1}'],
  ['another JSON', '[1]'],
  ['of a later version', '{"version":99,"layers":{}}'],
])('a file that is %s is an empty cache, is said, and is replaced', async (_, content) => {
  await mkdir(join(folder, 'cache'), { recursive: true })
  await writeFile(file(), content)
  expect(await found('a')).toEqual([])
  expect(problems).toEqual([expect.stringContaining('taken for empty')])
  await learn({ a: 'a' })
  expect(await found('a')).toEqual([blob('a')])
})

test('an entry that was changed by someone else is none: it would make a wrong image', async () => {
  await learn({ a: 'a', b: 'b' })
  const content = JSON.parse(await readFile(file(), 'utf8'))
  content.layers[diffID('a')] = content.layers[diffID('b')]
  content.layers[diffID('b')][0].digest = blob('c').digest
  await writeFile(file(), JSON.stringify(content))
  expect([await found('a'), await found('b')]).toEqual([[], []])
})

test('a cache that comes from elsewhere is empty: its key is not in it', async () => {
  await learn({ a: 'a' })
  const { mode } = await stat(join(folder, 'config', 'cache.key'))
  expect(mode & 0o777).toBe(0o600)
  await rm(join(folder, 'config'), { recursive: true })
  expect(await found('a')).toEqual([])
})

test('it is bounded, and the oldest go first', async () => {
  const many = Object.fromEntries(Array.from({ length: 10_005 }, (_, i) => [String(i), String(i)]))
  await learn(many)
  const later = cache()
  expect((await later.entries()).size).toBe(10_000)
  expect([await found('4', later), await found('5', later)]).toEqual([[], [blob('5')]])
  expect(await later.size()).toBeLessThan(5_000_000)
})

test('what is known already is not written again within a day', async () => {
  await learn({ a: 'a' })
  const before = await stat(file())
  await learn({ a: 'a' })
  expect((await stat(file())).ino).toBe(before.ino)
  now += 2 * DAY_MS
  await learn({ a: 'a' })
  expect((await stat(file())).ino).not.toBe(before.ino)
})

test('a folder that cannot be written is no error, and leaves nothing', async () => {
  await writeFile(join(folder, 'cache'), 'a file is in the way')
  await learn({ a: 'a' })
  expect(problems).toEqual([
    expect.stringContaining('cannot be read'),
    expect.stringContaining('not written'),
  ])
})

test('a cache that is deleted in the middle is an empty one', async () => {
  const under = cache()
  await learn({ a: 'a' })
  expect(await found('a', under)).toEqual([blob('a')])
  await rm(join(folder, 'cache'), { recursive: true })
  await under.remember({
    registry: HOST,
    repository: 'team/app',
    blobs: new Map([[diffID('b'), blob('b')]]),
    image: undefined,
  })
  expect(await found('b')).toEqual([blob('b')])
})

test('its owner sees what is in it, and prunes what is old, or all', async () => {
  const store = new FileCacheStore(options())
  await learn({ a: 'a' }, 'team/app', Buffer.from('{"os":"linux"}'))
  now += 10 * DAY_MS
  await learn({ b: 'b' })
  const info = await store.info()
  expect(info).toMatchObject({ layers: 2, images: 1, uploads: 0, oldest: now - 10 * DAY_MS })
  expect(await store.prune(now - DAY_MS)).toMatchObject({ layers: 1, images: 1 })
  expect([await found('a'), await found('b')]).toEqual([[], [blob('b')]])
  const rest = await store.prune(undefined)
  expect(rest).toMatchObject({ layers: 1, images: 0, uploads: 0 })
  expect(rest.freed).toBeGreaterThan(0)
  expect(await store.info()).toMatchObject({ layers: 0, size: 0, oldest: undefined })
})

test('what somebody else keeps in the folder is neither counted nor removed, however old', async () => {
  await learn({ a: 'a' }, 'team/app', Buffer.from('{"os":"linux"}'))
  const theirs = [
    join(options().folder, 'documents', 'thesis.txt'),
    join(options().folder, 'uploads', 'a.jpg'),
  ]
  for (const path of theirs) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, 'x')
    await utimes(path, 0, 0)
  }
  const left = join(options().folder, 'documents', `.${'a'.repeat(64)}.json.${randomUUID()}.tmp`)
  await writeFile(left, 'what a run that was killed left')
  const store = new FileCacheStore(options())
  expect(await store.info()).toMatchObject({ uploads: 0, oldest: now })
  await new FileUploadJournal(join(options().folder, 'uploads')).sweep()
  await store.forgetUploads(HOST)
  expect(await store.prune(undefined)).toMatchObject({ uploads: 0 })
  for (const path of theirs) expect(await readFile(path, 'utf8')).toBe('x')
  await expect(stat(left)).rejects.toThrow('ENOENT')
})

test('the cache is nobody else’s to read', async () => {
  await learn({ a: 'a' })
  expect((await stat(file())).mode & 0o777).toBe(0o600)
})

/** A process that remembers five blobs, one after the other. */
function writer(i: number) {
  const source = `
    import { FileBlobCache } from ${JSON.stringify(join(import.meta.dirname, '../../src/cache/blob-cache.ts'))}
    import { digestBytes } from ${JSON.stringify(join(import.meta.dirname, '../../src/oci/digest.ts'))}
    const cache = new FileBlobCache(${JSON.stringify({ folder: join(folder, 'cache'), keyFile: join(folder, 'config', 'cache.key') })})
    for (let n = 0; n < 5; n++) {
      const name = '${i}-' + n
      const digest = digestBytes(Buffer.from('gzip ' + name))
      const descriptor = { mediaType: ${JSON.stringify(OCI_LAYER_GZIP)}, digest, size: name.length }
      await cache.remember({
        registry: ${JSON.stringify(HOST)},
        repository: 'team/app',
        blobs: new Map([[digestBytes(Buffer.from(name)), descriptor]]),
        image: undefined,
      })
    }`
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'inherit' })
}

function diffID(name: string): Digest {
  return digestBytes(Buffer.from(name))
}

function blob(name: string): Descriptor {
  return { mediaType: OCI_LAYER_GZIP, digest: digestBytes(Buffer.from(`gzip ${name}`)), size: name.length }
}
