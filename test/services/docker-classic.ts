import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bridgeOptions } from './bridge.ts'
import { startDaemon } from './daemon.ts'
import { describeEngine, type Engine, engineAnswers } from './engine.ts'
import { findProgram } from './install.ts'
import { cgroupOf } from './run-folder.ts'

/** The machine's own dockerd as a private instance, held to the classic overlay2 image store. */
export async function startDockerClassic(runFolder: string): Promise<Engine> {
  const folder = join(runFolder, 'classic')
  await mkdir(folder, { recursive: true })
  const socketPath = join(folder, 'docker.sock')
  const config = join(folder, 'daemon.json')
  await writeFile(config, JSON.stringify({ features: { 'containerd-snapshotter': false } }))
  const daemon = await startDaemon({
    name: 'docker-classic',
    runFolder,
    command: [
      findProgram('dockerd') ?? 'dockerd',
      ...['--config-file', config, '--storage-driver', 'overlay2'],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--host', `unix://${socketPath}`, '--pidfile', join(folder, 'pid')],
      ...['--cgroup-parent', cgroupOf(runFolder)],
      ...(await bridgeOptions(runFolder, 'classic')),
    ],
    ready: () => engineAnswers(socketPath),
  })
  return { ...(await describeEngine(socketPath)), logPath: daemon.logPath, stop: daemon.stop }
}
