import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import type { FaultFor } from '../../support/fault.ts'
import { UPLOADS } from '../../support/fault-proxy.ts'
import { onCommits, onParts, refusal, times } from '../../support/faults.ts'
import { routes } from './routes.ts'
import { ENGINE_TRIES, engineSource, IMAGE_BYTES, LAYER_COUNT, type Source } from './source.ts'
import { trip } from './trip.ts'

const MIB = 1024 * 1024
const CHUNK = 8 * MIB
const OVERHEAD = MIB
/** Waits are real: 30 s of silence, and the time that a full buffer may take on a slow line; beside each other. */
const PATIENCE_MS = 240_000

const stallsChunk: FaultFor = ({ headers }) =>
  Number(headers['content-length']) >= CHUNK ? { stallAfter: MIB } : undefined

describeWith(['registry', 'dockerClassic'], 'a push that has to wait', () => {
  const route = routes()
  /** Which gets another tag meanwhile. */
  let pushedByEngine: Source
  beforeAll(async () => {
    pushedByEngine = await engineSource()
  })
  afterAll(() => pushedByEngine.remove())

  // As many as vitest lets run beside each other.
  describe.concurrent('as long as it takes', { timeout: PATIENCE_MS }, () => {
    test.for([
      ['an archive', 'imgctl serve'],
      ['a classic engine', 'CNCF distribution'],
    ] as const)(
      'from %s to %s: no byte for 30 seconds, and it goes on',
      async ([source, place], { onTestFinished }) => {
        const made = await trip(route(source, place), times(1, onParts(stallsChunk)), onTestFinished)
        await made.expectArrived(await made.push())
        // CNCF distribution gives up the upload that stopped, in its first part.
        expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + MIB + OVERHEAD)
        expect(made.registry.of('PATCH').filter(({ status }) => status === 0)).toHaveLength(1)
        made.expectReads(1)
      },
    )

    test.for([
      ['an archive', 'CNCF distribution'],
      ['a classic engine', 'imgctl serve'],
    ] as const)(
      'from %s to %s: 60 seconds until a blob is confirmed',
      async ([source, place], { onTestFinished }) => {
        const slowCommit = times(1, onCommits({ delayMs: 60_000 }))
        const made = await trip(route(source, place), slowCommit, onTestFinished)
        await made.expectArrived(await made.push())
        const confirmed = made.registry.of('PUT', UPLOADS).filter(({ status }) => status === 201)
        expect(confirmed).toHaveLength(LAYER_COUNT + 1)
        expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + OVERHEAD)
        made.expectReads(1)
      },
    )

    test('by the engine to imgctl serve: 500 for every part, until the engine gives up', async ({
      onTestFinished,
    }) => {
      const way = { ...route('a classic engine', 'imgctl serve', 'engine'), source: pushedByEngine }
      const made = await trip(way, onParts(refusal(500, 'UNKNOWN')), onTestFinished)
      await made.expectFailed(await made.push(), 1, 'REGISTRY_ERROR', {
        sessions: ENGINE_TRIES * LAYER_COUNT,
      })
      expect(made.registry.count('PATCH')).toBeLessThanOrEqual(ENGINE_TRIES * LAYER_COUNT)
      made.expectReads(0)
    })
  })
})
