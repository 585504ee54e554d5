import { startDockerClassic } from './docker-classic.ts'
import { startDockerContainerd } from './docker-containerd.ts'
import type { Engine, EngineAddress } from './engine.ts'
import { findProgram, installPrerequisites, type MissingParts, type PartName } from './install.ts'
import { startPodman } from './podman.ts'
import { type Credentials, REGISTRY_USER, type RegistryAddress, startRegistry } from './registry.ts'
import { createRunFolder, removeRunFolder, sweepDeadRuns } from './run-folder.ts'
import { sidRootPath } from './sid-root.ts'

/** What a test learns of each service when it is available. */
export interface ServiceAddresses {
  /** Docker Engine 20.10 with the overlay2 store. */
  dockerClassic: EngineAddress & { logPath: string }
  /** Docker Engine 28.5 with the containerd store. */
  dockerContainerd: EngineAddress & { logPath: string }
  podman: EngineAddress & { logPath: string }
  /** CNCF distribution, open to all. For reading; a test that pushes uses `ownRegistry` of use.ts. */
  registry: RegistryAddress & { logPath: string; storagePath: string }
  /** CNCF distribution behind basic auth. */
  privateRegistry: RegistryAddress & Credentials & { logPath: string; storagePath: string }
  /** The functions of tools.ts that run programs of the sid root: docker, crane, oras, skopeo. */
  tools: { sidRoot: string }
  /** `hostSkopeo` of tools.ts. */
  hostSkopeo: { program: string }
  /** The docker client 20.10 of the machine's own Debian. */
  hostDocker: { program: string }
  buildah: { program: string }
  umoci: { program: string }
  zsh: { program: string }
  fish: { program: string }
  chromium: { program: string }
  /** GNOME's keyring, a session bus for it and secret-tool are installed; a test starts its own. */
  keyring: object
}

export type ServiceName = keyof ServiceAddresses
export type Availability<A> = ({ available: true } & A) | { available: false; reason: string }

/** Plain data: it travels to the test processes as JSON. */
export type ServicesDescription = { [N in ServiceName]: Availability<ServiceAddresses[N]> } & {
  /** The run's folder; test files may make their own folders in it. */
  runFolder: string
}

export interface Services {
  description: ServicesDescription
}

interface Started<A> {
  address: A
  stop?: () => Promise<void>
}

interface Definition<A> {
  needs: readonly PartName[]
  start: (runFolder: string) => Promise<Started<A>>
}

const DEFINITIONS: { [N in ServiceName]: Definition<ServiceAddresses[N]> } = {
  dockerClassic: { needs: ['dockerd'], start: async (folder) => engine(await startDockerClassic(folder)) },
  dockerContainerd: { needs: ['sid'], start: async (folder) => engine(await startDockerContainerd(folder)) },
  podman: { needs: ['podman', 'conmon'], start: async (folder) => engine(await startPodman(folder)) },
  registry: {
    needs: ['registry'],
    start: async (folder) => {
      const { stop, ...address } = await startRegistry(folder, { name: 'registry' })
      return { address, stop }
    },
  },
  privateRegistry: {
    needs: ['registry'],
    start: async (folder) => {
      const { stop, ...address } = await startRegistry(folder, { name: 'private', auth: true })
      return { address: { ...address, ...REGISTRY_USER }, stop }
    },
  },
  tools: { needs: ['sid'], start: async () => ({ address: { sidRoot: sidRootPath() } }) },
  hostSkopeo: hostProgram('skopeo'),
  // The path of the package: a newer client may stand before it.
  hostDocker: { needs: ['dockerd'], start: async () => ({ address: { program: '/usr/bin/docker' } }) },
  buildah: hostProgram('buildah'),
  umoci: hostProgram('umoci'),
  zsh: hostProgram('zsh'),
  fish: hostProgram('fish'),
  chromium: hostProgram('chromium'),
  keyring: { needs: ['keyring', 'secretTool', 'dbus'], start: async () => ({ address: {} }) },
}

/** A program of this machine that is ready as soon as it is installed. */
function hostProgram(
  name: 'skopeo' | 'buildah' | 'umoci' | 'zsh' | 'fish' | 'chromium',
): Definition<{ program: string }> {
  return { needs: [name], start: async () => ({ address: { program: findProgram(name) ?? name } }) }
}

export const SERVICE_NAMES = Object.keys(DEFINITIONS) as ServiceName[]

export interface StartOptions {
  /** The services to start; all when absent. The others are described as not asked for. */
  only?: readonly ServiceName[]
  /** Receives what the installer does; silent when absent. */
  log?: (line: string) => void
}

let running: { folder: string; stops: (() => Promise<void>)[] } | undefined

/**
 * Installs what is missing and starts the services, at most once at a time in this process. A service
 * that cannot be had is described with the reason; it does not fail the others.
 */
export async function startServices(options: StartOptions = {}): Promise<Services> {
  if (running !== undefined) throw new Error('the services of this process run already')
  const obstacle = startObstacle()
  if (obstacle !== undefined) return { description: { ...describeAll(() => obstacle), runFolder: '' } }
  const missing = await installPrerequisites(options.log ?? (() => {}))
  await sweepDeadRuns()
  const current = { folder: await createRunFolder(), stops: [] as (() => Promise<void>)[] }
  running = current
  const wanted = options.only ?? SERVICE_NAMES
  const states = await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const state = wanted.includes(name)
        ? await startOne(name, missing, current)
        : { available: false as const, reason: 'not asked for' }
      if (!state.available && wanted.includes(name)) options.log?.(`${name}: ${state.reason}`)
      return [name, state]
    }),
  )
  return { description: { ...Object.fromEntries(states), runFolder: current.folder } }
}

/** Ends all that `startServices` started and removes its folder. Does nothing when nothing runs. */
export async function stopServices(): Promise<void> {
  const current = running
  if (current === undefined) return
  await Promise.all(current.stops.map((stop) => stop()))
  await removeRunFolder(current.folder)
  running = undefined
}

async function startOne(
  name: ServiceName,
  missing: MissingParts,
  current: { folder: string; stops: (() => Promise<void>)[] },
): Promise<Availability<object>> {
  const definition = DEFINITIONS[name]
  const absent = definition.needs.find((part) => missing[part] !== undefined)
  if (absent !== undefined) return { available: false, reason: `${absent}: ${missing[absent]}` }
  try {
    const started = await definition.start(current.folder)
    if (started.stop !== undefined) current.stops.push(started.stop)
    return { available: true, ...started.address }
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) }
  }
}

function startObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'the services run on Linux only'
  if (process.getuid?.() !== 0) return 'the services are started by root only'
  return undefined
}

function describeAll(reason: (name: ServiceName) => string): {
  [N in ServiceName]: Availability<ServiceAddresses[N]>
} {
  const entries = SERVICE_NAMES.map((name) => [name, { available: false, reason: reason(name) }])
  return Object.fromEntries(entries)
}

function engine({ stop, ...address }: Engine): Started<EngineAddress & { logPath: string }> {
  return { address, stop }
}
