import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { largeImageArchive } from '../services/large-archive.ts'
import { describeWith, service } from '../services/use.ts'
import { peakUntil } from './peak-memory.ts'
import { startImgctl } from './program.ts'

const MIB = 1024 * 1024
/** Whatever the size of the image; of that some 75 MB are Node with the program loaded. */
const MAX_RSS_MB = 128
/** Long enough for garbage to grow, if it does. */
const IMAGE_BYTES = 768 * MIB

describeWith(['dockerClassic', 'hostDocker'], 'the memory of a save', () => {
  let folder: string
  let host: string
  const reference = 'imgctl-test/save-memory:1.0'
  const docker = (...args: string[]) => {
    const { status, stderr } = spawnSync(service('hostDocker').program, ['--host', host, ...args])
    if (status !== 0) throw new Error(stderr.toString())
  }
  beforeAll(async () => {
    host = service('dockerClassic').dockerHost
    folder = await mkdtemp(join(tmpdir(), 'imgctl-save-memory-'))
    const archive = join(folder, 'large.tar')
    await largeImageArchive(archive, IMAGE_BYTES, { layers: 2, reference })
    docker('load', '--input', archive)
    await rm(archive)
  }, 300_000)
  afterAll(async () => {
    docker('image', 'rm', reference)
    await rm(folder, { recursive: true, force: true })
  })

  test.each([
    ['as the engine writes it', []],
    ['with gzip', ['--compress', 'gzip']],
    ['with zstd', ['--compress', 'zstd']],
    ['as an OCI layout', ['--format', 'oci']],
  ])(
    'of 768 MiB %s stays below 128 MB',
    async (name, options) => {
      const args = ['image', 'save', reference, '--host', host, '-o', join(folder, 'saved'), ...options]
      const run = startImgctl(args)
      const peak = await peakUntil(run.child.pid!, run.ended)
      console.log(`saved ${name}: peak RSS ${peak} MB`)
      expect(await run.ended).toMatchObject({ code: 0 })
      expect(peak).toBeGreaterThan(50)
      expect(peak).toBeLessThanOrEqual(MAX_RSS_MB)
    },
    300_000,
  )
})
