import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dockerCredentials } from '../auth/docker/docker-credentials.ts'
import { FileCredentialStore } from '../auth/file-credentials.ts'
import type { CommandContext } from '../commands/context.ts'
import { configDir } from '../config/paths.ts'
import type { EngineEnvironment } from '../engine/environment.ts'
import { isLoopback } from '../internal/loopback.ts'
import { proxyFor, proxyUrl, proxyVariables } from '../internal/proxy-environment.ts'
import type { DiskSpace, PrivatePath, Probes, ProxySettings } from '../ports/diagnosis.ts'
import type { EngineChoice } from '../ports/engine.ts'
import type { ServerRequests } from '../ports/server.ts'
import { newerNodeForServer } from './server-node.ts'

type Parts = Pick<
  CommandContext,
  | 'runtime'
  | 'environment'
  | 'serverDataDir'
  | 'logins'
  | 'target'
  | 'session'
  | 'server'
  | 'connect'
  | 'openRepository'
>

/** What `imgctl doctor` looks at, by the parts that the other commands use. */
export function createProbes(parts: Parts, engines: EngineEnvironment, choice: EngineChoice): Probes {
  const { environment, runtime } = parts
  return {
    runtime,
    newerNodeForServer: newerNodeForServer(runtime.node),
    engines: async (signal) => {
      const { surveyEngines } = await import('../engine/survey.ts')
      return surveyEngines(engines, choice, signal)
    },
    target: async () => {
      const { server } = await parts.target()
      return { server, isLocal: isLoopback(server) }
    },
    serverConfig: async (signal) => {
      const { server } = await parts.target()
      return (await parts.connect(server, undefined)).config(signal)
    },
    serverClock: async (signal) => {
      const { server } = await parts.target()
      return serverClock(await parts.connect(server, undefined), signal)
    },
    session: parts.session,
    server: parts.server,
    openRepository: parts.openRepository,
    credentialStore: async () => {
      const { place, problem } = await (await parts.logins()).usualPlace()
      const folder = configDir(environment)
      const paths = place === 'file' ? await privatePaths(folder, engines.platform) : []
      return { kind: place, paths, ...(problem ? { problem: problem.message } : {}) }
    },
    dockerCredentials: async () => {
      const credentials = dockerCredentials(engines)
      const [helpers, others] = await Promise.all([credentials.helpers(), credentials.others()])
      return { file: credentials.file, helpers, others }
    },
    proxy: async () => proxySettings(environment, await serverOf(parts)),
    extraCertificates: async () => {
      const file = environment['NODE_EXTRA_CA_CERTS']
      return file ? { file, isReadable: await isReadable(file) } : undefined
    },
    trustsEveryCertificate: environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0',
    dataDisk: () => diskSpace(parts.serverDataDir),
  }
}

/** By the Date header: it has whole seconds, and was written between the question and the answer. */
async function serverClock(server: ServerRequests, signal: AbortSignal) {
  const asked = Date.now()
  const { headers } = await server.request({ method: 'GET', path: '/config' }, signal)
  const answered = Date.now()
  const said = Date.parse(headers.find(([name]) => name === 'date')?.[1] ?? '')
  return Number.isNaN(said) ? undefined : { server: said, here: (asked + answered) / 2 }
}

/** Undefined when it cannot be told: the check of the server says why. */
async function serverOf({ target }: Parts): Promise<string | undefined> {
  return target().then(
    ({ server }) => server,
    () => undefined,
  )
}

/** Windows keeps permissions in another way: there the user's folder is the protection. */
async function privatePaths(folder: string, platform: NodeJS.Platform): Promise<PrivatePath[]> {
  if (platform === 'win32') return []
  const wanted = [
    { path: folder, wanted: 0o700 },
    { path: new FileCredentialStore(folder).file, wanted: 0o600 },
  ]
  const present = wanted.map(async (path) => {
    const found = await stat(path.path).catch(() => undefined)
    return found ? [{ ...path, mode: found.mode & 0o777 }] : []
  })
  return (await Promise.all(present)).flat()
}

function proxySettings(environment: Parts['environment'], server: string | undefined): ProxySettings {
  const variables = proxyVariables(environment)
  const proxies = variables.filter(({ name }) => name.toUpperCase() !== 'NO_PROXY')
  const unusable = proxies.filter((variable) => !printableProxy(variable)).map(({ name }) => name)
  return {
    variables: variables.map((variable) =>
      proxies.includes(variable)
        ? { ...variable, value: printableProxy(variable) ?? '(not shown)' }
        : variable,
    ),
    unusable,
    used: server === undefined ? undefined : proxyFor(new URL(server), environment)?.name,
  }
}

/** A proxy without the user and password that it may have; undefined when it is none. */
function printableProxy(variable: Parameters<typeof proxyUrl>[0]): string | undefined {
  try {
    const { protocol, host } = proxyUrl(variable)
    return `${protocol}//${host}`
  } catch {
    return undefined
  }
}

async function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  )
}

async function diskSpace(folder: string): Promise<DiskSpace | undefined> {
  const disk = await statfs(folder).catch(() => undefined)
  return disk && { folder, freeBytes: disk.bavail * disk.bsize }
}
