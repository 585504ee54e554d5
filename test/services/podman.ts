import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from './daemon.ts'
import { describeEngine, type Engine, engineAnswers } from './engine.ts'
import { findProgram } from './install.ts'

export interface PodmanOptions {
  /** `overlay` when absent; `vfs` works on every file system. */
  driver?: 'overlay' | 'vfs'
}

/** `podman system service` with its own storage and configuration: nothing of the machine's is read. */
export async function startPodman(runFolder: string, options: PodmanOptions = {}): Promise<Engine> {
  const folder = join(runFolder, 'podman')
  await mkdir(join(folder, 'tmp'), { recursive: true })
  const socketPath = join(folder, 'podman.sock')
  const files = {
    CONTAINERS_CONF: '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
    CONTAINERS_REGISTRIES_CONF: 'unqualified-search-registries = []\n',
    CONTAINERS_STORAGE_CONF: storageConf(folder, options.driver ?? 'overlay'),
  }
  const env: Record<string, string> = { TMPDIR: join(folder, 'tmp') }
  for (const [name, content] of Object.entries(files)) {
    env[name] = join(folder, `${name.toLowerCase()}`)
    await writeFile(env[name], content)
  }
  const daemon = await startDaemon({
    name: 'podman',
    runFolder,
    command: [
      findProgram('podman') ?? 'podman',
      ...['--tmpdir', join(folder, 'libpod'), '--network-config-dir', join(folder, 'networks')],
      ...['system', 'service', '--time=0', `unix://${socketPath}`],
    ],
    env,
    ready: () => engineAnswers(socketPath),
  })
  return { ...(await describeEngine(socketPath)), logPath: daemon.logPath, stop: daemon.stop }
}

function storageConf(folder: string, driver: string): string {
  const lines = [`driver = "${driver}"`, `graphroot = "${folder}/data"`, `runroot = "${folder}/run"`]
  return ['[storage]', ...lines, ''].join('\n')
}
