import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServices, stopServices } from '../test/services/index.ts'
import { largeImageArchive } from '../test/services/large-archive.ts'

/** What a benchmark of an engine's images works with. */
export interface Bench {
  /** For DOCKER_HOST. */
  readonly host: string
  readonly folder: string
  /** A docker-save archive, and the image in it. */
  readonly archive: string
  readonly reference: string
}

/**
 * Runs a benchmark beside a private engine (Docker 20.10) and a large archive.
 *
 * @param bytes the image's size, as text; 2 GB when absent
 */
export async function withEngine(
  bytes: string | undefined,
  bench: (bench: Bench) => Promise<void>,
): Promise<void> {
  if (spawnSync('docker', ['--version']).status !== 0)
    throw new Error('the docker client is needed to compare with')
  const { description } = await startServices({ only: ['dockerClassic'] })
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-bench-'))
  try {
    const { dockerClassic } = description
    if (!dockerClassic.available) throw new Error(dockerClassic.reason)
    const archive = join(folder, 'large.tar')
    const reference = 'imgctl-bench/large:1.0'
    await largeImageArchive(archive, Number(bytes ?? 2e9), { layers: 4, reference })
    await bench({ host: dockerClassic.dockerHost, folder, archive, reference })
  } finally {
    await rm(folder, { recursive: true, force: true })
    await stopServices()
  }
}
