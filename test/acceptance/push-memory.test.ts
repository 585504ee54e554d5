import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { largeImageArchive } from '../services/large-archive.ts'
import { peakUntil } from './peak-memory.ts'
import { serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
/** push.md: whatever the size of the image. */
const MAX_RSS_MB = 256
/** Half of it does not compress. */
const IMAGE_BYTES = 1536 * MIB
const LAYERS = 8

describe.runIf(process.platform === 'linux')('the memory of a push', () => {
  let server: TestServer
  let folder: string
  let archive: string
  beforeAll(async () => {
    server = await serve()
    folder = await mkdtemp(join(tmpdir(), 'imgctl-large-'))
    archive = join(folder, 'large.tar')
    await largeImageArchive(archive, IMAGE_BYTES, { layers: LAYERS })
  }, 300_000)
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test.each([3, 8])(
    'of 1.5 GiB, %i layers at once, stays below 256 MB',
    async (layers) => {
      const name = `large:with-${layers}`
      const run = startImgctl(
        ['image', 'push', archive, '--name', name, '--no-wait', '--concurrency', String(layers)],
        // A cache of its own: everything is sent.
        { env: { ...server.env, XDG_CACHE_HOME: join(folder, String(layers)) } },
      )
      const peak = await peakUntil(run.child.pid!, run.ended)
      const result = await run.ended
      console.log(`${layers} layers: peak RSS ${peak} MB`)
      expect(result).toMatchObject({ code: 0 })
      expect(peak).toBeGreaterThan(50)
      expect(peak).toBeLessThanOrEqual(MAX_RSS_MB)
    },
    300_000,
  )
})
