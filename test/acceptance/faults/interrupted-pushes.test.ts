import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import { EXPORTS, UPLOADS } from '../../support/fault-proxy.ts'
import { diesInExport, onParts } from '../../support/faults.ts'
import { until } from '../../support/until.ts'
import { jsonError } from '../program.ts'
import { distribution, ownServer, type Place } from './place.ts'
import { PLACES, type PlaceName, routes, WAYS } from './routes.ts'
import { IMAGE_BYTES, LAYER_COUNT } from './source.ts'
import { type Trip, trip } from './trip.ts'

const MIB = 1024 * 1024
const CHUNK = 8 * MIB
const OVERHEAD = MIB
/** Slow enough to be stopped in its middle, quick enough to wait for. */
const slowly = onParts({ bytesPerSecond: 12 * MIB })
/** CNCF distribution gives up an upload whose connection breaks: what it had of a blob goes again. */
const lostBytes = ({ route }: Trip) => (route.place.givesTokens ? CHUNK : 0.5 * IMAGE_BYTES + CHUNK)

describeWith(['registry', 'dockerClassic'], 'a push that is interrupted', () => {
  const route = routes()

  describe.each(WAYS)('from %s to %s', (source, place) => {
    test('by kill -9 at its half: the next run sends the rest', async () => {
      const made = await trip(route(source, place), slowly)
      const run = made.start()
      await until(() => made.sent() >= IMAGE_BYTES / 2)
      run.child.kill('SIGKILL')
      await run.ended
      made.registry.faultFor = () => undefined
      await made.expectArrived(await made.push())
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + lostBytes(made) + OVERHEAD)
      made.expectReads(2)
    })

    test('by a registry that is killed at its half and comes back: the same run ends well', async () => {
      const way = route(source, place)
      const made = await trip(way, slowly)
      const run = made.start('--retries', '20')
      await until(() => made.sent() >= IMAGE_BYTES / 2)
      await way.place.kill()
      await way.place.restart()
      await made.expectArrived(await run.ended)
      // What was on its way, and what the tries sent that met nobody.
      expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES + lostBytes(made) + 2 * CHUNK)
      made.expectReads(1, 2)
    })

    test('not at all, but the cache is deleted: it is sent again, and is the same', async () => {
      const made = await trip(route(source, place))
      const first = await made.expectArrived(await made.push())
      await rm(made.cache, { recursive: true })
      const again = await pushAgain(made)
      expect(again.digest).toBe(first.digest)
      expect(again.sent).toBeGreaterThanOrEqual(IMAGE_BYTES)
      expect(again.sent).toBeLessThanOrEqual(IMAGE_BYTES + OVERHEAD)
      made.expectReads(1)
    })

    test('not at all, but the cache is garbage: the same, and it is a cache again', async () => {
      const made = await trip(route(source, place))
      const first = await made.expectArrived(await made.push())
      await writeFile(join(made.cache, 'imgctl', 'blobs.json'), '{"version":1,"layers":{"sha256:')
      const again = await pushAgain(made)
      expect(again.digest).toBe(first.digest)
      expect(again.sent).toBeGreaterThanOrEqual(IMAGE_BYTES)
      made.expectReads(1)
      const third = await pushAgain(made)
      expect(third.digest).toBe(first.digest)
      expect(third.sent).toBeLessThan(MIB)
      made.expectReads(0)
    })

    test('by another one of the same image: both end well, and nothing goes a third time', async () => {
      const made = await trip(route(source, place), slowly)
      const [one, other] = await Promise.all([made.push(), made.push()])
      await made.expectArrived(one)
      await made.expectArrived(other)
      expect(made.sent()).toBeLessThanOrEqual(2 * IMAGE_BYTES + OVERHEAD)
      made.expectReads(2)
    })
  })

  test.each(PLACES)('to %s, by the engine, which dies in its export', async (place) => {
    const made = await trip(route('a classic engine', place))
    made.engine!.faultFor = diesInExport(IMAGE_BYTES / 2)
    const result = await made.push()
    expect(jsonError(result)).toMatchObject({ message: expect.stringContaining('engine') })
    await made.expectFailed(result, 8, 'ENGINE_UNREACHABLE', { sessions: LAYER_COUNT })
    expect(made.sent()).toBeLessThanOrEqual(IMAGE_BYTES / 2 + OVERHEAD)
    expect(made.engine!.count('GET', EXPORTS)).toBe(1)
    expect(made.registry.count('PUT', /manifests/)).toBe(0)
    made.engine!.faultFor = () => undefined
    await made.expectArrived(await made.push())
    made.expectReads(2)
  })
})

describeWith(['registry', 'dockerClassic'], 'a registry whose disk is full', () => {
  const route = routes()

  describe.runIf(process.platform === 'linux' && process.getuid?.() === 0).each(WAYS)(
    'from %s to %s',
    (source, place) => {
      test('tells so, and there is no image', async () => {
        const full = await smallPlace(place)
        const made = await trip({ ...route(source, place), place: full })
        const result = await made.push('--retries', '1')
        // CNCF distribution has no word for it.
        const code = full.givesTokens ? 'DISK_FULL' : 'REGISTRY_ERROR'
        await made.expectFailed(result, 1, code, { sessions: 0 })
        expect(made.registry.count('PUT', /manifests/)).toBe(0)
        expect(made.sent()).toBeLessThanOrEqual(2 * IMAGE_BYTES)
        made.expectReads(1, 2)
      })
    },
  )
})

/** The same image under a name of its own, and the bytes of blobs that it took. */
async function pushAgain(made: Trip) {
  made.name = `${made.name}-again`
  made.registry.exchanges.length = 0
  if (made.engine) made.engine.exchanges.length = 0
  const { digest } = await made.expectArrived(await made.push())
  return { digest, sent: made.registry.sent(UPLOADS) }
}

/** A registry on a disk that is smaller than the image. */
async function smallPlace(name: PlaceName): Promise<Place> {
  const mounted: string[] = []
  const mountAt = async (path: string) => {
    await mkdir(path, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${IMAGE_BYTES / 2}`, 'imgctl-test', path])
    mounted.push(path)
  }
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-disk-'))
  if (name === 'imgctl serve') await mountAt(join(folder, 'disk'))
  const place = await (name === 'imgctl serve'
    ? ownServer(join(folder, 'disk', 'data'))
    : distribution(mountAt))
  onTestFinished(async () => {
    await place.stop()
    for (const path of mounted) execFileSync('umount', ['--lazy', path])
    await rm(folder, { recursive: true, force: true })
  })
  return place
}
