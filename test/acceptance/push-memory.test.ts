import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { largeImageArchive } from '../services/large-archive.ts'
import { serve, startImgctl, type TestServer } from './program.ts'

const MIB = 1024 * 1024
/** push.md: whatever the size of the image. */
const MAX_RSS_BYTES = 256 * MIB
/** Half of it does not compress. */
const IMAGE_BYTES = 1536 * MIB
const LAYERS = 3

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

  test('of 1.5 GiB in three layers at once stays below 256 MiB', async () => {
    const run = startImgctl(['image', 'push', archive, '--name', 'large:1.0', '--no-wait'], {
      env: server.env,
    })
    let peak = 0
    const timer = setInterval(() => {
      peak = Math.max(peak, peakRss(run.child.pid!))
    }, 50)
    const result = await run.ended
    clearInterval(timer)
    expect(result).toMatchObject({ code: 0 })
    expect(peak).toBeGreaterThan(50 * MIB)
    expect(peak).toBeLessThanOrEqual(MAX_RSS_BYTES)
    console.log(`peak RSS ${Math.round(peak / MIB)} MiB`)
  }, 300_000)
})

/** The most that the process ever had in memory, bytes; 0 when it is gone. */
function peakRss(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
