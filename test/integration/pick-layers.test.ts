import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connect } from '../../src/engine/connection.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { readMessages, writeMessage } from '../../src/engine/grpc/framing.ts'
import { encodeMessage } from '../../src/engine/grpc/protobuf.ts'
import { readImageConfig } from '../../src/engine/pick/image-config.ts'
import { type Digest, digestBytes } from '../../src/oci/digest.ts'
import { engineSource } from '../../src/operations/push/engine-source.ts'
import type { PickedLayer } from '../../src/ports/engine-layers.ts'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'

const ENVIRONMENT = { variables: {}, home: '/nonexistent', platform: 'linux' } as const
const RUN = randomUUID().slice(0, 8)
const IMAGE = `imgctl-pick-${RUN}/app:1`
const TAG = `pick-${RUN}`
/** More than Docker pushes at once, each more than what is read of an upload that is passed over. */
const LAYERS = 9
const LAYER_BYTES = 6 * 1024 * 1024

describeWith(['dockerClassic'], 'single layers of a classic engine', () => {
  const engine = () => createEngine({ host: service('dockerClassic').dockerHost, environment: ENVIRONMENT })
  let diffIDs: readonly Digest[]
  let id: Digest

  beforeAll(async () => {
    const names = Array.from({ length: LAYERS }, (_, i) => `f${i}`)
    await buildImage(service('dockerClassic').socketPath, {
      reference: IMAGE,
      dockerfile: ['FROM scratch', ...names.map((name) => `COPY ${name} /`), 'CMD ["/f0"]', ''].join('\n'),
      files: Object.fromEntries(names.map((name) => [name, randomBytes(LAYER_BYTES / 2).toString('hex')])),
    })
    ;({ diffIDs, id } = await engine().inspectImage(IMAGE))
    expect(diffIDs).toHaveLength(LAYERS)
  })
  afterAll(async () => {
    await callEngine(service('dockerClassic').socketPath, `/images/${IMAGE}`, { method: 'DELETE' })
  })

  /** Picks layers by their places (0 is the base); afterwards the engine's tags are what they were. */
  const pick = async (
    places: number[],
    take: (layer: PickedLayer, signal: AbortSignal) => Promise<void>,
    signal?: AbortSignal,
  ) => {
    const wanted = new Set(places.map((place) => diffIDs[place]!))
    try {
      return await engine().pickLayers(IMAGE, { tag: TAG, wanted }, take, signal)
    } finally {
      expect(await engine().listTags(TAG)).toEqual([])
      expect((await engine().inspectImage(IMAGE)).repoTags).toEqual([IMAGE])
    }
  }

  test.each([
    ['none: the config alone', []],
    ['the topmost', [8]],
    ['all', [0, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['one under four that are not wanted', [4]],
    ['some of those that are pushed first, and some of the next', [8, 6, 3, 2]],
  ])('%s', async (_, places) => {
    const taken = new Map<string, number>()
    const config = await pick(places, async ({ diffID, tar }) => {
      const hash = createHash('sha256')
      let bytes = 0
      for await (const chunk of tar) {
        hash.update(chunk)
        bytes += chunk.length
      }
      expect(`sha256:${hash.digest('hex')}`).toBe(diffID)
      taken.set(diffID, bytes)
    })
    expect([...taken.keys()].sort()).toEqual(places.map((place) => diffIDs[place]).sort())
    for (const bytes of taken.values()) expect(bytes).toBeGreaterThan(LAYER_BYTES)
    expect(`sha256:${createHash('sha256').update(config).digest('hex')}`).toBe(id)
    expect(JSON.parse(new TextDecoder().decode(config)).rootfs.diff_ids).toEqual(diffIDs)
  })

  test('one under five that are not wanted: the engine begins no other, and that is said', async () => {
    const picked = pick([3], async () => expect.unreachable())
    await expect(picked).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/begins no other layer/),
    })
  })

  test('what the taker throws is what comes of it', async () => {
    const failure = new Error('the registry is full')
    const picked = pick([8, 7], async ({ tar }) => {
      for await (const _ of tar) throw failure
    })
    await expect(picked).rejects.toBe(failure)
  })

  test('what fails ends the others, and they have tidied up before it is said', async () => {
    const failure = new Error('the registry is full')
    const other = new EventEmitter()
    const begun = once(other, 'begun')
    const tidied: unknown[] = []
    // The lowest is so deep that Docker begins it only when another one is done.
    const picked = pick([8, 7, 2], async ({ diffID }, signal) => {
      if (diffID === diffIDs[8]) {
        await begun
        throw failure
      }
      other.emit('begun')
      await once(signal, 'abort')
      await new Promise((resolve) => setTimeout(resolve, 100))
      tidied.push(signal.reason)
      throw signal.reason
    })
    await expect(picked).rejects.toBe(failure)
    expect(tidied).toEqual([failure])
  })

  test('an engine that is slow to begin the next layer when one is done has its time again', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const taken: Digest[] = []
    try {
      await pick([8, 3], async ({ diffID, tar }) => {
        for await (const _ of tar);
        taken.push(diffID)
        vi.advanceTimersByTime(4999)
        setImmediate(() => vi.advanceTimersByTime(4999))
      })
    } finally {
      vi.useRealTimers()
    }
    expect(taken).toEqual([diffIDs[8], diffIDs[3]])
  })

  test('who knows the port alone is not let in', async () => {
    await pick([8], async ({ tar }) => {
      const [tag = ''] = await engine().listTags(TAG)
      const host = tag.slice(0, tag.indexOf('/'))
      const answer = await fetch(`http://${host}/v2/imgctl/blobs/uploads/`, {
        method: 'POST',
        signal: AbortSignal.timeout(2000),
      })
      expect(answer.status).toBe(404)
      for await (const _ of tar);
    })
  })

  test('two layers whose short ids are the same: not by their ids', async () => {
    const other: Digest = `sha256:${diffIDs[8]!.slice(7, 60)}${'0'.repeat(11)}`
    const wanted = new Set([other, diffIDs[8]!])
    const picked = engine().pickLayers(IMAGE, { tag: TAG, wanted }, async ({ tar }) => {
      for await (const _ of tar);
    })
    await expect(picked).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  test("a name that stands for another image by then: never that one's config", async () => {
    const name = `imgctl-pick-${RUN}/moving:1`
    const recipe = { reference: name, files: { f: 'f' } }
    const socket = service('dockerClassic').socketPath
    await buildImage(socket, { ...recipe, dockerfile: 'FROM scratch\nCOPY f /\n' })
    const keep = `imgctl-pick-${RUN}/kept:1`
    await engine().tagImage(name, keep)
    const source = await engineSource(engine(), name, name, async () => [], undefined)
    await buildImage(socket, { ...recipe, dockerfile: 'FROM scratch\nCOPY f /\nENV A=1\n' })
    expect((await engine().inspectImage(name)).id).not.toBe(source.configDigest)
    const config = await source.pickLayers!(new Set(), async () => expect.unreachable(), undefined)
    expect(digestBytes(config)).toBe(source.configDigest)
    for (const tag of [name, keep]) await callEngine(socket, `/images/${tag}`, { method: 'DELETE' })
  })

  test('a signal ends it in the middle of a layer', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    const picked = pick(
      [8, 7],
      async ({ tar }) => {
        for await (const _ of tar) stop.abort(reason)
      },
      stop.signal,
    )
    await expect(picked).rejects.toBe(reason)
  })
})

for (const name of ['dockerContainerd', 'podman'] as const) {
  describeWith([name], `single layers of ${name}`, () => {
    test('are not had: it says so before anybody asks', async () => {
      const engine = createEngine({ host: service(name).dockerHost, environment: ENVIRONMENT })
      expect((await engine.info()).passesOver).toBeUndefined()
      await fixtureImages(name)
      const { diffIDs } = await engine.inspectImage(IMAGES.twoLayers)
      const request = { tag: TAG, wanted: new Set(diffIDs.slice(-1)) }
      const picked = engine.pickLayers(IMAGES.twoLayers, request, async () => {})
      await expect(picked).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      expect(await engine.listTags(TAG)).toEqual([])
    })
  })
}

describeWith(
  ['dockerContainerd'],
  'the config of an image, from the builder of an engine with a list of builds',
  () => {
    test('is no build there', async () => {
      const { dockerHost: host } = service('dockerContainerd')
      await fixtureImages('dockerContainerd')
      const engine = await connect(ENVIRONMENT, { host })
      // It tells the config, which is not what a containerd store names an image by.
      const other: Digest = `sha256:${'0'.repeat(64)}`
      const read = readImageConfig(engine, IMAGES.twoLayers, other, undefined)
      await expect(read).rejects.toThrow('another image')
      expect((await buildsOf(engine)).filter((build) => build.startsWith('imgctl-'))).toEqual([])
    })

    /** The ids of the builds that it remembers (moby/buildkit Control.ListenBuildHistory). */
    const buildsOf = async (engine: Awaited<ReturnType<typeof connect>>) => {
      const connection = await engine.upgrade({ path: '/grpc' }, 'h2c')
      const session = connectHttp2('http://localhost', { createConnection: () => connection })
      const stream = session.request({
        ':method': 'POST',
        ':path': '/moby.buildkit.v1.Control/ListenBuildHistory',
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      // It ends when it has told what there is.
      writeMessage(stream, encodeMessage({ 3: 1 }))
      stream.end()
      const builds: string[] = []
      for await (const event of readMessages(stream)) builds.push(event.messages(2)[0]!.text(1))
      session.destroy()
      connection.destroy()
      return builds
    }
  },
)
