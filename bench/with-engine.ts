import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServices, stopServices } from '../test/services/index.ts'
import { benchImage } from './push/image-set.ts'

/** What a benchmark of an engine's images works with. */
export interface Bench {
  /** For DOCKER_HOST. */
  readonly host: string
  readonly folder: string
  /** A docker-save archive, and the image in it. */
  readonly archive: string
  readonly reference: string
}

/** Runs a benchmark beside a private engine (Docker 20.10) and the 2.46 GB image of real files that pushes are measured with. */
export async function withEngine(bench: (bench: Bench) => Promise<void>): Promise<void> {
  if (spawnSync('docker', ['--version']).status !== 0)
    throw new Error('the docker client is needed to compare with')
  const { archive, reference } = await benchImage('mixed', false, (line) => console.error(line))
  const { description } = await startServices({ only: ['dockerClassic'] })
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-bench-'))
  try {
    const { dockerClassic } = description
    if (!dockerClassic.available) throw new Error(dockerClassic.reason)
    await bench({ host: dockerClassic.dockerHost, folder, archive, reference })
  } finally {
    await rm(folder, { recursive: true, force: true })
    await stopServices()
  }
}
