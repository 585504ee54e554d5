import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine, engineList } from '../services/engine.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import { EXPORTS, type FaultProxy, faultProxy, UPLOADS } from '../support/fault-proxy.ts'
import { diesInExport, losesSession, onParts } from '../support/faults.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
const LAYER = 24 * MIB

describeWith(['dockerClassic'], 'what a push reads of an engine', () => {
  const image = `imgctl-test/reads-${process.pid}:1.0`
  let server: TestServer
  let proxy: FaultProxy
  let engine: FaultProxy
  let folder: string
  beforeAll(async () => {
    server = await serve()
    folder = await mkdtemp(join(tmpdir(), 'imgctl-engine-'))
    engine = await faultProxy(service('dockerClassic').socketPath, undefined, join(folder, 'docker.sock'))
    proxy = await faultProxy(server.url)
    await buildImage(service('dockerClassic').socketPath, {
      reference: image,
      dockerfile: 'FROM scratch\nCOPY blob /blob\nENTRYPOINT ["/blob"]\n',
      files: { blob: randomBytes(LAYER).toString('base64').slice(0, LAYER) },
    })
  })
  beforeEach(() => {
    engine.faultFor = () => undefined
    engine.exchanges.length = 0
    proxy.exchanges.length = 0
  })
  afterAll(async () => {
    await callEngine(service('dockerClassic').socketPath, `/images/${image}?force=true`, { method: 'DELETE' })
    await Promise.all([engine.close(), proxy.close()])
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const environment = () => ({
    ...server.env,
    IMGCTL_SERVER: proxy.url,
    DOCKER_HOST: engine.url,
  })
  const push = (name: string, ...args: string[]) =>
    imgctl(['image', 'push', image, '--name', name, '--progress', 'json', ...args], { env: environment() })
  const forget = () => rm(join(server.folder, 'cache'), { recursive: true, force: true })
  const tags = async (): Promise<string[]> => {
    const images = await engineList(service('dockerClassic').socketPath, '/images/json')
    const all = images.flatMap(({ RepoTags }) => RepoTags ?? [])
    return all.filter((tag) => tag.startsWith(proxy.host) || tag === image).sort()
  }

  test('cold, sent from here: one export; unchanged under any name: not one byte of it', async () => {
    await forget()
    const before = await tags()
    const cold = await push('reads:1.0', '--via', 'direct')
    expect(cold.code).toBe(0)
    expect(engine.received(EXPORTS)).toBeGreaterThanOrEqual(LAYER)
    expect(engine.count('GET', EXPORTS)).toBe(1)

    for (const name of ['reads:1.0', 'reads:2.0', 'elsewhere:1.0']) {
      engine.exchanges.length = 0
      proxy.exchanges.length = 0
      const again = await push(name, '--via', 'auto')
      expect(again.code).toBe(0)
      expect(engine.received(EXPORTS)).toBe(0)
      expect(engine.of(undefined, /\/(get|push|tag)\b/)).toEqual([])
      const sent = proxy.sent()
      expect(sent).toBeLessThan(50_000)
    }
    expect(await tags()).toEqual(before)
  })

  test('after a push by the engine the next one reads nothing either: it learned from that', async () => {
    await forget()
    expect(await push('by-engine:1.0', '--via', 'engine')).toMatchObject({ code: 0 })
    expect(engine.received(EXPORTS)).toBe(0)
    engine.exchanges.length = 0
    // The engine pushes through the proxy too.
    proxy.exchanges.length = 0
    const next = await push('by-engine:2.0', '--via', 'direct')
    expect(next.code).toBe(0)
    expect([engine.received(EXPORTS), proxy.count('PATCH')]).toEqual([0, 0])
    expect(engine.of(undefined, /\/(get|push|tag)\b/)).toEqual([])
  })

  test('an engine that dies during the export: an error that says so, no tag more or less, and then it works', async () => {
    await forget()
    const before = await tags()
    engine.faultFor = diesInExport(LAYER / 2)
    const broken = await push('dying:1.0', '--via', 'direct')
    expect(jsonError(broken)).toMatchObject({ code: expect.stringMatching(/^ENGINE_/) })
    expect([1, 8]).toContain(broken.code)
    expect(proxy.count('PUT', /manifests/)).toBe(0)
    engine.faultFor = () => undefined
    expect(await push('dying:1.0', '--via', 'direct')).toMatchObject({ code: 0 })
    expect(await tags()).toEqual(before)
  })

  test('a session that is lost: the export is read once more, and no third time', async () => {
    await forget()
    const losing = await faultProxy(server.url, losesSession(MIB))
    try {
      const env = { ...environment(), IMGCTL_SERVER: losing.url }
      const args = ['image', 'push', image, '--name', 'lost:1.0', '--via', 'direct']
      const result = await imgctl(args, { env })
      expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('reading the image again') })
      expect(engine.count('GET', EXPORTS)).toBe(2)
    } finally {
      await losing.close()
    }
  })

  test('kill -9 at the half of an export that is sent: the next run sends the rest', async () => {
    await forget()
    const slow = await faultProxy(server.url, onParts({ bytesPerSecond: 8 * MIB }))
    try {
      const env = { ...environment(), IMGCTL_SERVER: slow.url }
      const args = ['image', 'push', image, '--name', 'halved:1.0', '--via', 'direct']
      const run = startImgctl(args, { env })
      while (slow.sent(UPLOADS) < LAYER * 0.4) await new Promise((resolve) => setTimeout(resolve, 10))
      run.child.kill('SIGKILL')
      await run.ended
      slow.faultFor = () => undefined
      expect(await imgctl(args, { env })).toMatchObject({ code: 0 })
      // base64 compresses to three quarters.
      expect(slow.sent(UPLOADS)).toBeLessThanOrEqual(1.1 * 0.77 * LAYER)
    } finally {
      await slow.close()
    }
  })
})

for (const name of ['dockerClassic', 'dockerContainerd', 'podman'] as const) {
  describeWith([name], `what a push learns from ${name}`, () => {
    let server: TestServer
    let engine: FaultProxy
    let folder: string
    beforeAll(async () => {
      server = await serve()
      folder = await mkdtemp(join(tmpdir(), 'imgctl-engine-'))
      engine = await faultProxy(service(name).socketPath, undefined, join(folder, 'docker.sock'))
      await fixtureImages(name)
    })
    afterAll(async () => {
      await engine.close()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })

    test('pushed by it, then again from here under another tag: nothing is exported', async () => {
      const env = { ...server.env, DOCKER_HOST: engine.url }
      const push = (...args: string[]) => imgctl(['image', 'push', IMAGES.twoLayers, ...args], { env })
      const first = await push('--name', 'learned:1.0', '--via', 'engine')
      expect(first.code).toBe(0)
      engine.exchanges.length = 0
      const second = await push('--name', 'learned:2.0', '--via', 'direct')
      expect(second.code).toBe(0)
      const digest = /sha256:\w+/
      expect(digest.exec(second.stdout)?.[0]).toBe(digest.exec(first.stdout)?.[0])
      expect(engine.received(EXPORTS)).toBe(0)
      expect(engine.of(undefined, /\/(get|push|tag)\b/)).toEqual([])
    })
  })
}
