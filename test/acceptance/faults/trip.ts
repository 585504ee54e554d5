import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { FaultFor } from '../../support/fault.ts'
import { EXPORTS, type FaultProxy, faultProxy, UPLOADS } from '../../support/fault-proxy.ts'
import { jsonError, type Result, startImgctl } from '../program.ts'
import { type Place, readBack, type Stored } from './place.ts'
import { IMAGE_BYTES, type Source } from './source.ts'

/** What an export is beside the image's files: heads and padding of tars, config and manifest. */
const EXPORT_OVERHEAD = 1024 * 1024

/** From where to where, and who sends. */
export interface Route {
  readonly source: Source
  readonly place: Place
  readonly via: 'auto' | 'direct' | 'engine'
}

/** One image on its way, through a proxy before the registry and one before the engine; its cache is its own. */
export interface Trip {
  readonly route: Route
  readonly registry: FaultProxy
  /** Of an image of an engine. */
  readonly engine: FaultProxy | undefined
  /** What the next push names it. */
  name: string
  readonly cache: string
  start(...args: string[]): ReturnType<typeof startImgctl>
  push(...args: string[]): Promise<Result>
  /** Bytes of blobs that were sent. */
  sent(): number
  /** Asserts how often the engine's image was read (one of the counts), and its bytes. Archives are not counted. */
  expectReads(...counts: readonly number[]): void
  /** Asserts that the image arrived, every byte of it, and that nothing is left of the way. */
  expectArrived(result: Result, left?: Left): Promise<Stored>
  /** Asserts that it failed so, that there is no such image, and that nothing is left. */
  expectFailed(result: Result, exit: number, code: string, left?: Left): Promise<void>
}

/** What may be left at `imgctl serve`: sessions that it says it has lost, or that a later run goes on with. */
export interface Left {
  readonly sessions?: number
}

let trips = 0

/**
 * Everything of it goes with the test.
 *
 * @param onFinished of a test that runs beside others: its own
 */
export async function trip(route: Route, faultFor?: FaultFor, onFinished = onTestFinished): Promise<Trip> {
  const { source, place, via } = route
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-trip-'))
  const temporary = await mkdtemp(join(folder, 'tmp-'))
  const registry = await faultProxy(place.url, faultFor)
  const engine =
    source.socketPath === undefined
      ? undefined
      : await faultProxy(source.socketPath, undefined, join(folder, 'docker.sock'))
  onFinished(async () => {
    await Promise.all([registry.close(), engine?.close()])
    await rm(folder, { recursive: true, force: true })
  })
  const cache = join(folder, 'cache')
  const references = await source.references()
  const env = {
    ...place.envFor(registry.url),
    IMGCTL_CONFIG_DIR: join(folder, 'config'),
    XDG_CACHE_HOME: cache,
    TMPDIR: temporary,
    DOCKER_HOST: engine?.url ?? `unix://${join(folder, 'no-engine.sock')}`,
  }
  const start = (...args: string[]) => {
    const to = place.argsFor(registry.host, made.name)
    const whole = ['image', 'push', source.argument, ...to, '--via', via, '--progress', 'json', ...args]
    return startImgctl(whole, { env })
  }
  const expectClean = async ({ sessions: kept = 0 }: Left) => {
    expect(await source.references()).toEqual(references)
    expect(await readdir(temporary)).toEqual([])
    // Other tests may have theirs.
    const isOwn = (session: string) => registry.exchanges.some(({ path }) => path.includes(session))
    expect((await place.sessions()).filter(isOwn).length).toBeLessThanOrEqual(kept)
  }
  const made: Trip = {
    route,
    registry,
    engine,
    name: `trip-${process.pid}-${trips++}`,
    cache,
    start,
    push: (...args) => start(...args).ended,
    sent: () => registry.sent(UPLOADS),
    expectReads: (...counts) => {
      if (!engine) return
      const count = engine.count('GET', EXPORTS)
      expect(counts).toContain(count)
      expect(engine.received(EXPORTS)).toBeLessThanOrEqual(count * (IMAGE_BYTES + EXPORT_OVERHEAD))
    },
    expectArrived: async (result, left = {}) => {
      expect(result).toMatchObject({ code: 0 })
      const stored = await readBack(place, made.name)
      expect(stored?.diffIDs).toEqual(source.diffIDs)
      expect(result.stdout.trim()).toMatch(new RegExp(`@${stored?.digest}$`))
      await expectClean(left)
      return stored!
    },
    expectFailed: async (result, exit, code, left = {}) => {
      expect(jsonError(result)).toMatchObject({ code })
      expect(result).toMatchObject({ code: exit, stdout: '' })
      expect(await readBack(place, made.name)).toBeUndefined()
      await expectClean(left)
    },
  }
  return made
}
