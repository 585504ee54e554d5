import { expect, test } from 'vitest'
import type { Digest } from '../../../src/oci/digest.ts'
import { DOCKER_LAYER_GZIP } from '../../../src/oci/media-types.ts'
import { chooseTransport } from '../../../src/operations/push/choose-transport.ts'
import { planPush } from '../../../src/operations/push/plan.ts'
import type { PlannedConfig, PlannedLayer, PushFacts } from '../../../src/operations/push/push-facts.ts'
import type { EngineInfo } from '../../../src/ports/engine.ts'

const MIB = 1024 * 1024
const DIGEST: Digest = `sha256:${'a'.repeat(64)}`
const CONFIG: PlannedConfig = {
  descriptor: { mediaType: 'application/json', digest: DIGEST, size: 100 },
  exists: true,
  bytes: undefined,
}

/** Pushed by an engine. */
const there = (mib: number): PlannedLayer => ({
  ...missing(mib),
  exists: true,
  descriptor: { mediaType: DOCKER_LAYER_GZIP, digest: DIGEST, size: mib * MIB },
})
const madeHere = (mib: number): PlannedLayer => ({ ...missing(mib), exists: true })
const missing = (mib: number | undefined, mountFrom: string[] = []): PlannedLayer => ({
  diffID: DIGEST,
  descriptor: { mediaType: 'x', digest: DIGEST, size: (mib ?? 1) * MIB },
  exists: false,
  mountFrom,
  storedSize: mib === undefined ? undefined : mib * MIB,
})
const unknown = (mib: number | undefined): PlannedLayer => ({ ...missing(mib), descriptor: undefined })

function facts(part: Partial<PushFacts> & { store?: EngineInfo['store']; mib?: number }): PushFacts {
  const { store = 'classic', mib = 1000, ...rest } = part
  return {
    source: { kind: 'engine', size: mib * MIB, pickLayers: async () => new Uint8Array() },
    engine: { product: 'docker', store } as EngineInfo,
    via: 'auto',
    compression: 'gzip',
    layers: [],
    config: undefined,
    manifest: undefined,
    ...rest,
  }
}

const MANIFEST = { digest: DIGEST, mediaType: 'x', bytes: new Uint8Array() }

test.each<[string, Parameters<typeof facts>[0], 'direct' | 'engine']>([
  [
    'an archive',
    { source: { kind: 'docker-save', size: 1, pickLayers: undefined }, engine: undefined },
    'direct',
  ],
  ['an archive, whatever is asked for', { engine: undefined, via: 'engine' }, 'direct'],
  ['--via engine', { via: 'engine', layers: [unknown(900)] }, 'engine'],
  ['--via direct', { via: 'direct', store: 'containerd', layers: [unknown(1)] }, 'direct'],
  ['an image that is there', { store: 'containerd', manifest: MANIFEST, layers: [unknown(1)] }, 'direct'],
  ['nothing missing', { layers: [there(900)], config: CONFIG }, 'direct'],
  [
    'nothing missing, and a config that can be sent',
    { layers: [there(900)], config: { ...CONFIG, exists: false, bytes: new Uint8Array(1) } },
    'direct',
  ],
  ['every layer there, but a config that only an export has', { mib: 1000, layers: [there(1000)] }, 'engine'],
  ['everything in other repositories', { layers: [missing(900, ['team/base'])], config: CONFIG }, 'direct'],
  ['the containerd store', { store: 'containerd', layers: [unknown(undefined)] }, 'engine'],
  ['a large image that nobody knows', { layers: [unknown(undefined)] }, 'direct'],
  ['a small one', { mib: 10, layers: [unknown(undefined)] }, 'engine'],
  [
    'one small layer missing on a large base',
    { layers: [there(990), unknown(10)], config: CONFIG },
    'engine',
  ],
  ['one large layer missing on a large base', { mib: 2000, layers: [there(1800), unknown(200)] }, 'engine'],
  [
    'little missing, of an image that was pushed from here',
    { layers: [madeHere(990), unknown(10)] },
    'direct',
  ],
  ['the same of a small image', { mib: 50, layers: [madeHere(40), unknown(10)] }, 'engine'],
  [
    'the same with an engine that is not Docker',
    { engine: { product: 'podman', store: 'classic' } as EngineInfo, layers: [madeHere(990), unknown(10)] },
    'engine',
  ],
  ['most of it missing', { layers: [there(300), unknown(700)], config: CONFIG }, 'direct'],
])('%s', (_, part, transport) => {
  const chosen = chooseTransport(facts(part))
  expect(chosen.transport).toBe(transport)
  expect(chosen.why.length).toBeGreaterThan(5)
})

test('the bytes of a plan: compressed where that is known, as stored where not, the image where neither', () => {
  expect(planPush(facts({ layers: [there(5), missing(7)] })).missingBytes).toBe(7 * MIB)
  expect(planPush(facts({ layers: [there(5), unknown(9)] })).missingBytes).toBe(9 * MIB)
  expect(planPush(facts({ mib: 50, layers: [unknown(undefined)] })).missingBytes).toBe(50 * MIB)
  expect(planPush(facts({ layers: [there(5)] })).missingBytes).toBe(0)
})

test('zstd is made here: engines make gzip, whatever their store', () => {
  for (const store of ['classic', 'containerd'] as const) {
    expect(planPush(facts({ store, mib: 10, layers: [missing(10)], compression: 'zstd' })).transport).toBe(
      'direct',
    )
  }
  expect(planPush(facts({ layers: [there(5)], config: undefined, compression: 'zstd' })).transport).toBe(
    'direct',
  )
})

const PICKING = { product: 'docker', store: 'classic', passesOver: 4 } as EngineInfo

test.each<[string, Parameters<typeof facts>[0], boolean]>([
  ['one small layer on top', { layers: [there(990), unknown(10)] }, true],
  ['the same with --via direct', { via: 'direct', layers: [there(990), unknown(10)] }, true],
  ['the same with --via engine', { via: 'engine', layers: [there(990), unknown(10)] }, false],
  ['one under four that are there', { layers: [there(10), unknown(10), ...Array(4).fill(there(300))] }, true],
  [
    'one under five that are there',
    { layers: [there(10), unknown(10), ...Array(5).fill(there(200))] },
    false,
  ],
  ['every layer there, but not the config', { layers: [there(1000)] }, true],
  ['most of it missing', { layers: [there(300), unknown(700)] }, false],
  ['all of a small image', { mib: 10, layers: [unknown(10)] }, false],
  ['zstd', { compression: 'zstd', layers: [there(990), unknown(10)] }, true],
  ['nothing missing', { layers: [there(1000)], config: CONFIG }, false],
  [
    'a source that gives out no single layers',
    {
      source: { kind: 'engine', size: 1000 * MIB, pickLayers: undefined },
      layers: [there(990), unknown(10)],
    },
    false,
  ],
])('picks single layers of an engine that can: %s', (_, part, picks) => {
  const plan = planPush(facts({ engine: PICKING, ...part }))
  expect(plan.picks).toBe(picks)
  if (picks) expect(plan.transport).toBe('direct')
  expect(plan.withoutPicking?.picks).toBe(picks ? false : undefined)
})
