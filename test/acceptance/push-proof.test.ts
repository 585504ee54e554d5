import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type FaultyRegistry, startFaultyRegistry } from '../registry/faulty-registry.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { layeredImage, savedImage, writeArchive } from './archives.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024

let server: TestServer
let folder: string
let registry: FaultyRegistry
let proxy: FaultProxy | undefined
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-archives-'))
  registry = await startFaultyRegistry()
})
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
  registry.fault = () => undefined
  registry.headers = () => ({})
  registry.seen.length = 0
})
afterAll(async () => {
  await Promise.all([server.stop(), registry.close()])
  await rm(folder, { recursive: true, force: true })
})

const archive = async (name: string, bytes = MIB) =>
  writeArchive(join(folder, `${name}.tar`), await savedImage({ tag: `${name}:1.0`, bytes }))
const pushTo = (path: string, reference: string, ...args: string[]) =>
  imgctl(
    ['image', 'push', path, '--to', `${registry.location.host}/${reference}`, '--progress', 'json', ...args],
    { env: server.env },
  )
const digestOf = ({ stdout }: { stdout: string }) => /sha256:[0-9a-f]{64}/.exec(stdout)?.[0]

test('the digest that is printed is that of the manifest that the registry has under the tag', async () => {
  const result = await pushTo(await archive('proof'), 'team/proof:1.0')
  expect(result.code).toBe(0)
  const { createHash } = await import('node:crypto')
  const { bytes } = registry.manifests.get('1.0')!
  expect(digestOf(result)).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  expect(registry.seen.at(-1)).toMatchObject({ method: 'HEAD', path: '/v2/team/proof/manifests/1.0' })
})

test.each(['HEAD', 'PUT'])(
  'a registry whose %s names other bytes: exit 5, DIGEST_MISMATCH',
  async (method) => {
    const other = `sha256:${'0'.repeat(64)}`
    registry.headers = (request) =>
      request.method === method && request.path.endsWith('/manifests/2.0')
        ? { 'docker-content-digest': other }
        : {}
    const result = await pushTo(await archive('other'), 'team/other:2.0')
    expect(result).toMatchObject({ code: 5, stdout: '' })
    expect(jsonError(result)).toMatchObject({
      code: 'DIGEST_MISMATCH',
      message: expect.stringContaining(other),
    })
  },
)

test('a registry that keeps other bytes of a blob than it was sent: exit 5, and no tag', async () => {
  const path = await archive('kept')
  registry.headers = ({ method, path }) =>
    method === 'PUT' && path.includes('/blobs/uploads/')
      ? { 'docker-content-digest': `sha256:${'1'.repeat(64)}` }
      : {}
  const result = await pushTo(path, 'team/kept:3.0')
  expect(result.code).toBe(5)
  expect(jsonError(result)).toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(registry.manifests.has('3.0')).toBe(false)
})

test('a mount that is refused is an upload', async () => {
  const path = await archive('closed')
  expect(await pushTo(path, 'team/one:1.0')).toMatchObject({ code: 0 })
  registry.blobs.clear()
  registry.seen.length = 0
  registry.fault = ({ query }) => (query.has('mount') ? { answer: 403 } : undefined)
  expect(await pushTo(path, 'team/two:1.0')).toMatchObject({ code: 0 })
  expect(registry.seen.filter(({ query }) => query.has('mount'))).toHaveLength(1)
  expect(registry.bytes('PATCH')).toBeGreaterThan(MIB)
})

test('the smaller layers go first, and no more at once than was asked for', async () => {
  const { entries } = await layeredImage('three:1.0', [3 * MIB, MIB, 2 * MIB])
  const path = await writeArchive(join(folder, 'three.tar'), entries)
  expect(await pushTo(path, 'team/three:1.0', '--concurrency', '1')).toMatchObject({ code: 0 })
  const sent = registry.seen.filter(({ method, bytes }) => method === 'PATCH' && bytes > MIB / 2)
  expect(sent.map(({ bytes }) => Math.floor(bytes / MIB))).toEqual([1, 2, 3])
  const uploads = registry.seen.filter(({ path }) => path.includes('/blobs/uploads/'))
  const order = uploads.map(({ method }) => method).join(' ')
  expect(order).toMatch(/^(?:POST PATCH PUT ?)+$/)
})

test('an end that is guessed at the half of a throttled push is off by less than a quarter', async () => {
  const path = await archive('throttled', 24 * MIB)
  const run = startImgctl(
    ['image', 'push', path, '--name', 'throttled:1.0', '--limit-rate', '2M', '--progress', 'json'],
    { env: server.env },
  )
  let half: { at: number; etaSeconds: number } | undefined
  let registered = 0
  while (registered === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (const line of run.stderr().split('\n').slice(0, -1)) {
      const event = JSON.parse(line)
      const isHalf = event.event === 'progress' && event.done >= event.total / 2 && event.etaSeconds
      if (isHalf) half ??= { at: Date.now(), etaSeconds: event.etaSeconds }
      if (event.phase === 'register') registered ||= Date.now()
      if (event.error) throw new Error(line)
    }
  }
  expect(await run.ended).toMatchObject({ code: 0 })
  const left = (registered - half!.at) / 1000
  expect(Math.abs(half!.etaSeconds - left)).toBeLessThan(0.25 * left)
})
