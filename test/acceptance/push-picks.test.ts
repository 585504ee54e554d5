import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import { describeWith, service } from '../services/use.ts'
import { EXPORTS, type FaultProxy, faultProxy, UPLOADS } from '../support/fault-proxy.ts'
import { losesSession } from '../support/faults.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
/** Three of them make an image that is never small. */
const BASE = 24 * MIB
const CHANGED = 4 * MIB
/** What the engine is asked to push itself. */
const PUSHES = /\/images\/.*\/push/

describeWith(['dockerClassic'], 'a push of what changed, from an engine with a graph driver', () => {
  const repository = `imgctl-test/picks-${process.pid}`
  const socketPath = () => service('dockerClassic').socketPath
  const base = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, noise(BASE)]))
  let server: TestServer
  let registry: FaultProxy
  let engine: FaultProxy
  let folder: string

  beforeAll(async () => {
    server = await serve()
    folder = await mkdtemp(join(tmpdir(), 'imgctl-picks-'))
    engine = await faultProxy(socketPath(), undefined, join(folder, 'docker.sock'))
    registry = await faultProxy(server.url)
    await build('1', { below: 'below', above: 'above' })
    expect(await push('1', '--via', 'direct')).toMatchObject({ code: 0 })
    expect(engine.count('GET', EXPORTS)).toBe(1)
  })
  beforeEach(() => {
    engine.faultFor = () => undefined
    registry.faultFor = () => undefined
    engine.exchanges.length = 0
    registry.exchanges.length = 0
  })
  afterAll(async () => {
    for (const tag of await tags()) await callEngine(socketPath(), `/images/${tag}`, { method: 'DELETE' })
    await Promise.all([engine.close(), registry.close()])
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const build = (tag: string, { below, above }: { below: string; above: string }, last = '') =>
    buildImage(socketPath(), {
      reference: `${repository}:${tag}`,
      dockerfile: `FROM scratch\nCOPY below /\nCOPY a /\nCOPY b /\nCOPY c /\nCOPY above /\nENTRYPOINT ["/a"]\n${last}`,
      files: { ...base, below, above },
    })
  const environment = () => ({ ...server.env, IMGCTL_SERVER: registry.url, DOCKER_HOST: engine.url })
  const command = (tag: string, ...args: string[]) => ['image', 'push', `${repository}:${tag}`, ...args]
  const push = (tag: string, ...args: string[]) =>
    imgctl(command(tag, '--name', `picks:${tag}`, ...args), { env: environment() })
  const tags = async () => {
    const { body } = await callEngine(socketPath(), '/images/json')
    const images = JSON.parse(body.toString()) as { RepoTags: string[] | null }[]
    const all = images.flatMap(({ RepoTags }) => RepoTags ?? [])
    return all.filter((tag) => tag.startsWith(repository) || /^127\.0\.0\.1:\d+\/imgctl\//.test(tag)).sort()
  }
  const idOf = async (reference: string) => {
    const { body } = await callEngine(socketPath(), `/images/${reference}/json`)
    return (JSON.parse(body.toString()) as { Id: string }).Id
  }
  /** The id that the image has for who pulls it: its config's digest, out of an archive of what the server has. */
  const servedId = async (tag: string) => {
    const archive = join(folder, `${tag}.tar`)
    await imgctl(['image', 'save', '--remote', `picks:${tag}`, '-o', archive], { env: environment() })
    const { stdout } = await imgctl(['image', 'inspect', archive, '--format', '{{.Id}}'])
    return stdout.trim()
  }

  test('a layer on top: it is read and sent, and nothing else; no tag stays', async () => {
    await build('2', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    const plan = await push('2', '--dry-run', '--format', 'json')
    expect(JSON.parse(plan.stdout)).toMatchObject({ transport: 'direct', why: /only what is missing/ })
    expect(await tags()).toEqual(before)
    expect(await push('2')).toMatchObject({ code: 0 })
    expect(engine.count('GET', EXPORTS)).toBe(0)
    expect(engine.count('POST', PUSHES)).toBe(1)
    expect(registry.of('POST', UPLOADS)).toHaveLength(2)
    expect(registry.sent(UPLOADS)).toBeLessThan(1.1 * CHANGED)
    expect(await tags()).toEqual(before)
    expect(await servedId('2')).toBe(await idOf(`${repository}:2`))
  })

  test('a config alone: no layer is read, and nothing is exported', async () => {
    await build('3', { below: 'below', above: 'above' }, 'ENV CHANGED=1\n')
    const before = await tags()
    expect(await push('3')).toMatchObject({ code: 0 })
    expect([engine.count('GET', EXPORTS), engine.count('POST', PUSHES)]).toEqual([0, 0])
    expect(registry.sent(UPLOADS)).toBeLessThan(10_000)
    expect(await tags()).toEqual(before)
    expect(await servedId('3')).toBe(await idOf(`${repository}:3`))
  })

  test('a layer under four that are there', async () => {
    await build('4', { below: noise(CHANGED), above: 'above' })
    expect(await push('4')).toMatchObject({ code: 0 })
    expect(engine.count('GET', EXPORTS)).toBe(0)
    expect(registry.sent(UPLOADS)).toBeLessThan(1.1 * CHANGED)
    expect(await servedId('4')).toBe(await idOf(`${repository}:4`))
  })

  test('an engine whose builder does not tell: another way, said in one line', async () => {
    await build('5', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    engine.faultFor = ({ path }) => (path.endsWith('/grpc') ? { cutAfter: 0 } : undefined)
    const pushed = await push('5')
    expect(pushed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('does not hand out single layers'),
    })
    expect(await tags()).toEqual(before)
    expect(await servedId('5')).toBe(await idOf(`${repository}:5`))
  })

  test('an engine that breaks off its push: the same', async () => {
    await build('6', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    let isFirst = true
    engine.faultFor = ({ path }) => {
      if (!isFirst || !PUSHES.test(path)) return undefined
      isFirst = false
      return { truncateAfter: 100 }
    }
    const pushed = await push('6')
    expect(pushed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('does not hand out single layers'),
    })
    expect(await tags()).toEqual(before)
    expect(await servedId('6')).toBe(await idOf(`${repository}:6`))
  })

  test('a registry that is full: its error, no tag more or less', async () => {
    await build('7', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    const full = {
      status: 507,
      body: JSON.stringify({ errors: [{ code: 'DENIED', message: 'the disk is full' }] }),
    }
    registry.faultFor = ({ method }) => (method === 'PATCH' ? { answer: full } : undefined)
    const failed = await push('7', '--format', 'json')
    expect([failed.code, jsonError(failed).code]).toEqual([1, 'DISK_FULL'])
    expect(engine.count('GET', EXPORTS)).toBe(0)
    expect(await tags()).toEqual(before)
  })

  test('a session that is lost: the layer is read once more, and nothing else', async () => {
    await build('10', { below: 'below', above: noise(BASE) })
    const before = await tags()
    registry.faultFor = losesSession(MIB)
    const pushed = await push('10')
    expect(pushed).toMatchObject({ code: 0, stderr: expect.stringContaining('reading the image again') })
    expect([engine.count('GET', EXPORTS), engine.count('POST', PUSHES)]).toEqual([0, 2])
    expect(await tags()).toEqual(before)
    expect(await servedId('10')).toBe(await idOf(`${repository}:10`))
  })

  test('--concurrency 1: a layer is sent when the one before is there', async () => {
    await build('11', { below: noise(CHANGED), above: noise(CHANGED) })
    registry.faultFor = ({ method }) => (method === 'PATCH' ? { bytesPerSecond: 8 * MIB } : undefined)
    expect(await push('11', '--concurrency', '1')).toMatchObject({ code: 0 })
    const steps = registry.of(undefined, UPLOADS).map(({ method }) => method)
    const ends = steps.filter((method) => method === 'POST' || method === 'PUT')
    expect(ends).toEqual(['POST', 'PUT', 'POST', 'PUT', 'POST', 'PUT'])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s in the middle: no tag stays', async (signal) => {
    await build('8', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    registry.faultFor = ({ method }) => (method === 'PATCH' ? { bytesPerSecond: MIB } : undefined)
    const run = startImgctl(command('8', '--name', 'picks:8'), { env: environment() })
    await sending()
    run.child.kill(signal)
    expect((await run.ended).code).toBe(signal === 'SIGINT' ? 130 : 143)
    expect(await tags()).toEqual(before)
  })

  test('kill -9 in the middle: the next run removes the tag, and sends what is missing', async () => {
    await build('9', { below: 'below', above: noise(CHANGED) })
    const before = await tags()
    registry.faultFor = ({ method }) => (method === 'PATCH' ? { bytesPerSecond: MIB } : undefined)
    const run = startImgctl(command('9', '--name', 'picks:9'), { env: environment() })
    await sending()
    run.child.kill('SIGKILL')
    await run.ended
    expect((await tags()).length).toBe(before.length + 1)
    registry.faultFor = () => undefined
    expect(await push('9')).toMatchObject({ code: 0 })
    expect(await tags()).toEqual(before)
    expect(await servedId('9')).toBe(await idOf(`${repository}:9`))
  })

  const sending = async () => {
    while (registry.sent(UPLOADS) < CHANGED / 4) await new Promise((resolve) => setTimeout(resolve, 10))
  }
})

/** Text that compresses to three quarters. */
function noise(bytes: number): string {
  return randomBytes(bytes).toString('base64').slice(0, bytes)
}
