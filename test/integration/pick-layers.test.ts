import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine } from '../../src/engine/engine.ts'
import type { Digest } from '../../src/oci/digest.ts'
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
    take: (layer: PickedLayer) => Promise<void>,
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
