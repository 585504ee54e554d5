import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import type { FaultFor } from '../../support/fault.ts'
import { faultProxy, UPLOADS } from '../../support/fault-proxy.ts'
import {
  claimsBlobs,
  cutsConnections,
  endsTokens,
  limitsBodies,
  losesSession,
  movesUploads,
  onParts,
  redirectsReads,
  refusal,
  times,
  together,
} from '../../support/faults.ts'
import { notes } from '../program.ts'
import { PLACES, routes, WAYS } from './routes.ts'
import { IMAGE_BYTES, LAYER_COUNT, layoutSource, type Source } from './source.ts'
import { type Left, type Trip, trip } from './trip.ts'

const MIB = 1024 * 1024
/** What a stream is sent in: what a refused request may cost. */
const CHUNK = 8 * MIB
/** Heads, the config, and what a connection took before it heard of its end. */
const OVERHEAD = MIB

interface Case {
  readonly title: string
  readonly faultFor: () => FaultFor
  readonly args?: readonly string[]
  /** Without it the push succeeds. */
  readonly failure?: { readonly exit: number; readonly code: string }
  /** Bytes of blobs that go beside the image's own. */
  readonly extra: (trip: Trip) => number
  /** How often the engine is read; once unless said. */
  readonly reads?: (trip: Trip) => readonly number[]
  readonly left?: Left
  readonly counts?: (trip: Trip) => void
}

/** Layers that are under way at once: an export gives one after the other. */
const atOnce = ({ engine }: Trip) => (engine ? 1 : LAYER_COUNT)
const keepsSessions = ({ route }: Trip) => route.place.givesTokens
const statuses = ({ registry }: Trip, status: number) =>
  registry.exchanges.filter((each) => each.status === status).length
const parts = ({ registry }: Trip) => registry.count('PATCH', UPLOADS)
const busy = (seconds: number) => refusal(429, 'TOOMANYREQUESTS', { 'retry-after': String(seconds) })

const CASES: readonly Case[] = [
  {
    title: 'none: every byte goes once',
    faultFor: () => () => undefined,
    extra: () => 0,
    counts: (trip) => expect(trip.registry.count('POST', UPLOADS)).toBe(LAYER_COUNT + 1),
  },
  {
    title: 'each connection cut after 5 MiB',
    faultFor: () => cutsConnections(5 * MIB),
    // CNCF distribution gives up what was cut; from then on chunks are shorter.
    extra: (trip) => (keepsSessions(trip) ? 0 : 2 * CHUNK),
    reads: (trip) => (keepsSessions(trip) ? [1] : [1, 2]),
    counts: (trip) => expect(trip.registry.cuts()).toBeGreaterThanOrEqual(2),
  },
  {
    title: '500 for three parts',
    faultFor: () => times(3, onParts(refusal(500, 'UNKNOWN'))),
    extra: () => 3 * CHUNK,
    counts: (trip) => expect(statuses(trip, 500)).toBe(3),
  },
  {
    title: '500 for every part',
    faultFor: () => onParts(refusal(500, 'UNKNOWN')),
    args: ['--retries', '2'],
    failure: { exit: 1, code: 'REGISTRY_ERROR' },
    extra: (trip) => 3 * atOnce(trip) * CHUNK,
    left: { sessions: LAYER_COUNT },
    counts: (trip) => {
      expect(parts(trip)).toBeGreaterThanOrEqual(3)
      expect(parts(trip)).toBeLessThanOrEqual(3 * atOnce(trip))
    },
  },
  {
    title: '429 with Retry-After for two parts',
    faultFor: () => times(2, onParts(busy(1))),
    extra: () => 2 * CHUNK,
    counts: (trip) => expect(statuses(trip, 429)).toBe(2),
  },
  {
    title: '429 that wants ten minutes: told at once',
    faultFor: () => onParts(busy(600)),
    failure: { exit: 8, code: 'RATE_LIMITED' },
    extra: () => 0,
    left: { sessions: LAYER_COUNT },
    counts: (trip) => expect(parts(trip)).toBeLessThanOrEqual(atOnce(trip)),
  },
  {
    title: '403 in the middle of a blob: no try more, no session left',
    faultFor: () => {
      let seen = 0
      return onParts(() => (++seen > 2 ? refusal(403, 'DENIED') : undefined))
    },
    failure: { exit: 4, code: 'FORBIDDEN' },
    extra: () => 0,
    counts: (trip) => expect(statuses(trip, 403)).toBeLessThanOrEqual(atOnce(trip)),
  },
  {
    title: '413 above 1 MiB',
    faultFor: () => limitsBodies(MIB),
    // Refused before it was read, but what came with the head is read.
    extra: () => 0,
    counts: (trip) => {
      const passed = trip.registry.of('PATCH').filter(({ status }) => status < 300)
      expect(Math.max(...passed.map(({ sent }) => sent))).toBeLessThanOrEqual(MIB)
      // 8, 4 and 2 MiB, by each layer that does not know yet, and again when the connection closed before the answer was read.
      expect(statuses(trip, 413)).toBeLessThanOrEqual(2 * 3 * LAYER_COUNT)
    },
  },
  {
    title: 'a session that is lost: that blob begins anew, once',
    faultFor: () => losesSession(CHUNK),
    // What was lost, and the part that was refused.
    extra: () => 2 * CHUNK,
    reads: () => [2],
    // Only the proxy has forgotten it.
    left: { sessions: 1 },
    counts: (trip) => expect(trip.registry.count('POST', UPLOADS)).toBe(LAYER_COUNT + 2),
  },
  {
    title: 'every session lost: no third try',
    faultFor: () => onParts(refusal(404, 'BLOB_UPLOAD_UNKNOWN')),
    failure: { exit: 3, code: 'NOT_FOUND' },
    extra: (trip) => 2 * atOnce(trip) * CHUNK,
    counts: (trip) => expect(parts(trip)).toBeLessThanOrEqual(2 * atOnce(trip)),
  },
]

describeWith(['registry', 'dockerClassic'], 'a push whose registry fails', () => {
  const route = routes()

  for (const [source, place] of WAYS) {
    test.each(CASES.map((each) => [each.title, each] as const))(
      `from ${source} to ${place}: %s`,
      async (_, each) => {
        const made = await trip(route(source, place), each.faultFor())
        const result = await made.push(...(each.args ?? []))
        if (each.failure) await made.expectFailed(result, each.failure.exit, each.failure.code, each.left)
        else {
          const { size } = await made.expectArrived(result, each.left)
          expect(made.sent()).toBeGreaterThanOrEqual(size)
        }
        expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + each.extra(made) + OVERHEAD)
        made.expectReads(...(each.reads?.(made) ?? [1]))
        each.counts?.(made)
      },
    )

    test(`from ${source} to ${place}: tokens that live 2 seconds, and a push that takes longer`, async () => {
      const way = route(source, place)
      const gate = endsTokens({ seconds: 2 }, way.place)
      const made = await trip(way, gate.faultFor)
      await made.expectArrived(await made.push('--limit-rate', '6M'))
      expect(gate.given()).toBeGreaterThanOrEqual(3)
      // Renewed before their end: none is refused but one that ended on its way.
      expect(gate.refused()).toBeLessThanOrEqual(1)
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + 2 * OVERHEAD)
      made.expectReads(1)
    })

    test(`from ${source} to ${place}: 401 in the middle of a blob`, async () => {
      const way = route(source, place)
      const gate = endsTokens({ uploaded: CHUNK + MIB }, way.place)
      const made = await trip(way, gate.faultFor)
      await made.expectArrived(await made.push())
      expect(gate.refused()).toBeGreaterThanOrEqual(1)
      expect(gate.refused()).toBeLessThanOrEqual(LAYER_COUNT)
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + LAYER_COUNT * CHUNK + OVERHEAD)
      made.expectReads(1)
    })

    test(`from ${source} to ${place}: uploads that go on at another origin get no credentials there`, async () => {
      const way = route(source, place)
      const gate = endsTokens({}, way.place)
      const other = await faultProxy(way.place.url)
      onTestFinished(other.close)
      const made = await trip(way, together(gate.faultFor, movesUploads(other.url)))
      const result = await made.push()
      // That one lets in who has a token of its own only.
      if (way.place.givesTokens) {
        await made.expectFailed(result, 4, 'AUTH_REQUIRED', { sessions: LAYER_COUNT })
      } else {
        await made.expectArrived(result)
        expect(other.sent(UPLOADS)).toBeLessThanOrEqual(IMAGE_BYTES + OVERHEAD)
      }
      expect(other.count('PATCH')).toBeGreaterThan(0)
      expect(other.exchanges.filter(({ headers }) => headers.authorization)).toEqual([])
      expect(made.sent()).toBe(0)
      made.expectReads(1)
    })

    test(`from ${source} to ${place}: a redirect of what is asked for gets no credentials there`, async () => {
      const way = route(source, place)
      const gate = endsTokens({}, way.place)
      const other = await faultProxy(way.place.url)
      onTestFinished(other.close)
      const made = await trip(way, together(gate.faultFor, redirectsReads(other.url)))
      const result = await made.push()
      if (way.place.givesTokens) await made.expectFailed(result, 4, 'AUTH_REQUIRED')
      else await made.expectArrived(result)
      expect(other.count()).toBeGreaterThan(0)
      expect(other.exchanges.filter(({ headers }) => headers.authorization)).toEqual([])
      expect(other.sent()).toBe(0)
    })

    test(`from ${source} to ${place}: blobs that are said to be there, and are not, are sent after all`, async () => {
      const made = await trip(route(source, place))
      const first = await made.expectArrived(await made.push())
      const sent = made.registry.of('PUT', /digest=/).map(({ path }) => decodeURIComponent(path))
      const sizes = new Map(sent.map((path) => [path.split('digest=')[1]!, 0]))
      const plan = await made.push('--dry-run', '--format', 'json')
      for (const { digest, size } of JSON.parse(plan.stdout).layers) sizes.set(digest, size)
      made.name = `${made.name}-elsewhere`
      made.registry.exchanges.length = 0
      made.registry.faultFor = claimsBlobs(sizes)
      const result = await made.push()
      const second = await made.expectArrived(result)
      expect(second.digest).toBe(first.digest)
      expect(notes(result)).toContainEqual(expect.stringContaining('lacks a layer that it said it has'))
      expect(statuses(made, 400)).toBe(1)
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + OVERHEAD)
      made.expectReads(2)
    })
  }

  describe.each(PLACES)('to %s', (place) => {
    const bytes = 120 * 1_000_000
    /** Of proxies that others run. */
    const limit = 100 * 1_000_000
    let layout: Source
    beforeAll(async () => {
      layout = await layoutSource(bytes)
    })
    afterAll(() => layout.remove())

    test('413 above 100 MB, from a layout with a layer of 120 MB: it goes in smaller bodies', async () => {
      const made = await trip({ ...route('an archive', place), source: layout }, limitsBodies(limit))
      await made.expectArrived(await made.push())
      expect(statuses(made, 413)).toBe(1)
      const passed = made.registry.of('PATCH').filter(({ status }) => status < 300)
      expect(Math.max(...passed.map(({ sent }) => sent))).toBeLessThanOrEqual(limit)
      // Refused at its first bytes, which the system's buffers had more of.
      expect(made.sent()).toBeLessThanOrEqual(bytes + 16 * MIB)
    })
  })
})
