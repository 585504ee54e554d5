import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type FaultProxy, faultProxy, UPLOADS } from '../support/fault-proxy.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, serve, type TestServer } from './program.ts'

const MIB = 1024 * 1024

let server: TestServer
let folder: string
/** One for a test: its address is the registry's name. */
let proxy: FaultProxy | undefined
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-archives-'))
})
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
  await rm(join(server.folder, 'cache'), { recursive: true, force: true })
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const push = async (path: string, name: string, ...args: string[]) => {
  proxy ??= await faultProxy(server.url)
  proxy.exchanges.length = 0
  return imgctl(['image', 'push', path, '--name', name, ...args], { env: environment() })
}
const environment = () => ({ ...server.env, IMGCTL_SERVER: proxy!.url })
const archive = async (name: string, bytes = 2 * MIB) =>
  writeArchive(join(folder, `${name}.tar`), await savedImage({ tag: `${name}:1.0`, bytes }))
const cacheFile = () => join(server.folder, 'cache', 'imgctl', 'blobs.json')
const digestOf = ({ stdout }: { stdout: string }) => /sha256:[0-9a-f]{64}/.exec(stdout)?.[0]

test('the same image under another tag: no layer byte is sent, and the digest is the same', async () => {
  const path = await archive('again')
  const first = await push(path, 'again:1.0')
  expect(first.code).toBe(0)
  expect(proxy!.sent(UPLOADS)).toBeGreaterThan(2 * MIB)
  const second = await push(path, 'again:2.0')
  expect(second.code).toBe(0)
  expect([proxy!.sent(UPLOADS), proxy!.count('POST', /blobs/), proxy!.count('PATCH')]).toEqual([0, 0, 0])
  expect(digestOf(second)).toBe(digestOf(first))
})

test('in another repository: the layer is mounted, and only the config is sent', async () => {
  const path = await archive('mount')
  const first = await push(path, 'mount:1.0')
  const plan = await push(path, 'elsewhere:1.0', '--dry-run', '--format', 'json')
  expect(JSON.parse(plan.stdout).layers).toEqual([
    expect.objectContaining({ exists: false, mountFrom: 'default/mount' }),
  ])
  expect(proxy!.count('POST', /blobs/)).toBe(0)
  const second = await push(path, 'elsewhere:1.0')
  expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/: Mounted$/m) })
  // Asked without a token first.
  const mounts = proxy!.exchanges.filter(({ path }) => /mount=sha256.*from=default%2Fmount/.test(path))
  expect(mounts.map(({ status }) => status)).toEqual([401, 201])
  expect(proxy!.sent(UPLOADS)).toBeLessThan(1000)
  expect(digestOf(second)).toBe(digestOf(first))
})

test('an entry that somebody changed makes no wrong image: the layer is sent', async () => {
  const [one, other] = [await archive('poison-a'), await archive('poison-b')]
  await push(one, 'poison-a:1.0')
  const right = await push(other, 'poison-b:1.0')
  const cache = JSON.parse(await readFile(cacheFile(), 'utf8'))
  // Each layer is followed by the config of its image.
  const [layerA, configA, layerB, configB] = Object.keys(cache.layers)
  cache.layers[layerB!] = cache.layers[layerA!]
  cache.layers[configB!] = cache.layers[configA!]
  await writeFile(cacheFile(), JSON.stringify(cache))
  // In the repository where the wrong blob is, so that only the cache could keep the right one from being sent.
  const third = await push(other, 'poison-a:2.0')
  expect(third.code).toBe(0)
  expect(proxy!.sent(UPLOADS)).toBeGreaterThan(2 * MIB)
  expect(digestOf(third)).toBe(digestOf(right))
})

test('a cache that is garbage is an empty one, which --debug says, and is a cache again afterwards', async () => {
  const path = await archive('corrupt')
  const first = await push(path, 'corrupt:1.0')
  await writeFile(cacheFile(), '{"version":1,"layers":{"sha256:')
  const second = await push(path, 'corrupt:2.0', '--debug')
  expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/^debug: .*taken for empty/m) })
  expect(digestOf(second)).toBe(digestOf(first))
  await push(path, 'corrupt:3.0')
  expect(proxy!.sent(UPLOADS)).toBe(0)
})

test('cache info and prune', async () => {
  await push(await archive('info'), 'info:1.0')
  const env = environment()
  const info = await imgctl(['cache', 'info', '--format', 'json'], { env })
  expect(JSON.parse(info.stdout)).toEqual({
    folder: join(server.folder, 'cache', 'imgctl'),
    layers: 1,
    images: 1,
    uploads: 0,
    size: expect.any(Number),
    oldest: expect.stringMatching(/^\d{4}-.*Z$/),
  })
  const none = await imgctl(['cache', 'prune', '--older-than', '1h', '--format', 'json'], { env })
  expect(JSON.parse(none.stdout)).toEqual({ layers: 0, images: 0, uploads: 0, freed: 0 })
  const all = await imgctl(['cache', 'prune'], { env })
  expect(all.stdout).toMatch(/^1\t1\t0\t\d+\n$/)
  expect(await readdir(join(server.folder, 'cache', 'imgctl'), { recursive: true })).toEqual(
    expect.not.arrayContaining(['blobs.json']),
  )
  expect(await imgctl(['cache', 'prune', '--older-than', 'soon'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--older-than does not take "soon"'),
  })
})
