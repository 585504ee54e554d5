import { describe, expect, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import { EXPORTS } from '../../support/fault-proxy.ts'
import { limitsBodies, losesSession, on, onParts, refusal, times } from '../../support/faults.ts'
import { jsonError, notes } from '../program.ts'
import { PLACES, type PlaceName, routes } from './routes.ts'
import { ENGINE_TRIES, IMAGE_BYTES, LAYER_COUNT } from './source.ts'
import { type Route, trip } from './trip.ts'

const MIB = 1024 * 1024
const OVERHEAD = MIB
const FROM_HERE = /^the engine cannot push it, sending it from here \(/

describeWith(['registry', 'dockerClassic'], 'a push that the engine does', () => {
  const route = routes()
  const byEngine = (place: PlaceName, via: Route['via'] = 'engine') => route('a classic engine', place, via)

  describe.each(PLACES)('to %s', (place) => {
    test('nothing is exported, and no tag is left', async () => {
      const made = await trip(byEngine(place))
      await made.expectArrived(await made.push())
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + OVERHEAD)
      made.expectReads(0)
    })

    test('500 for two parts: the engine tries again', async () => {
      const made = await trip(byEngine(place), times(2, onParts(refusal(500, 'UNKNOWN'))))
      await made.expectArrived(await made.push(), { sessions: 2 })
      expect(made.sent()).toBeLessThanOrEqual(2 * IMAGE_BYTES + OVERHEAD)
      made.expectReads(0)
    })

    test('429, which the engine takes for the end: it is asked again', async () => {
      const busy = refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '1' })
      const made = await trip(byEngine(place), times(LAYER_COUNT, onParts(busy)))
      const result = await made.push()
      await made.expectArrived(result, { sessions: LAYER_COUNT })
      expect(notes(result)).toContainEqual(expect.stringMatching(/toomanyrequests.*asked to push again$/))
      expect(made.sent()).toBeLessThanOrEqual(2 * IMAGE_BYTES + OVERHEAD)
      made.expectReads(0)
    })

    test('a session that is lost', async () => {
      const made = await trip(byEngine(place), losesSession(MIB))
      await made.expectArrived(await made.push(), { sessions: LAYER_COUNT })
      expect(made.sent()).toBeLessThanOrEqual(2 * IMAGE_BYTES + OVERHEAD)
      made.expectReads(0)
    })

    test('413 above 1 MiB: told with the other way, which is taken by itself unless the engine was chosen', async () => {
      const chosen = await trip(byEngine(place), limitsBodies(MIB))
      const refused = await chosen.push()
      // Docker may see the line close before it reads why: then it tries again, and says no more than that.
      const [exit, code] = refused.code === 8 ? [8, 'REGISTRY_UNREACHABLE'] : [5, 'TOO_LARGE']
      await chosen.expectFailed(refused, exit, code, { sessions: ENGINE_TRIES * LAYER_COUNT })
      expect(jsonError(refused)).toMatchObject({ hint: expect.stringContaining('--via direct') })
      chosen.expectReads(0)

      const left = await trip(byEngine(place, 'auto'), limitsBodies(MIB))
      const result = await left.push()
      await left.expectArrived(result, { sessions: ENGINE_TRIES * LAYER_COUNT })
      expect(notes(result).filter((note) => FROM_HERE.test(note))).toHaveLength(1)
      left.expectReads(1)
    })

    test('an engine that dies meanwhile', async () => {
      const made = await trip(byEngine(place))
      made.engine!.faultFor = on('POST', /\/push\b/, { truncateAfter: 300 })
      // Its untag fails with nothing else: the proxy breaks the one answer only.
      await made.expectFailed(await made.push(), 8, 'ENGINE_UNREACHABLE', { sessions: LAYER_COUNT })
      expect(made.engine!.count('GET', EXPORTS)).toBe(0)
    })
  })
})
