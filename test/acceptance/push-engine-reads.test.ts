import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine, engineList } from '../services/engine.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import { EXPORTS, type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { imgctl, serve, type TestServer } from './program.ts'

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
