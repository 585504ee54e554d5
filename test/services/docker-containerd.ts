import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bridgeOptions } from './bridge.ts'
import { startDaemon } from './daemon.ts'
import { describeEngine, type Engine, engineAnswers } from './engine.ts'
import { cgroupOf } from './run-folder.ts'
import { sidCommand } from './sid-command.ts'

/** The sid root's dockerd, with images in containerd's content store. Its paths are the host's paths. */
export async function startDockerContainerd(runFolder: string): Promise<Engine> {
  const folder = join(runFolder, 'containerd')
  await mkdir(folder, { recursive: true })
  const socketPath = join(folder, 'docker.sock')
  const config = join(folder, 'daemon.json')
  await writeFile(config, JSON.stringify({ features: { 'containerd-snapshotter': true } }))
  const daemon = await startDaemon({
    name: 'docker-containerd',
    runFolder,
    command: sidCommand('dockerd', [
      ...['--config-file', config, '--host', `unix://${socketPath}`, '--pidfile', join(folder, 'pid')],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--cgroup-parent', cgroupOf(runFolder)],
      ...(await bridgeOptions(runFolder, 'containerd')),
    ]),
    ready: () => engineAnswers(socketPath),
  })
  return { ...(await describeEngine(socketPath)), logPath: daemon.logPath, stop: daemon.stop }
}
