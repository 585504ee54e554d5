import { ImgctlError } from '../../../src/errors/error.ts'
import type { EngineProblem, Probes, SurveyedPlace } from '../../../src/ports/diagnosis.ts'
import type { EngineInfo } from '../../../src/ports/engine.ts'
import type { Repository } from '../../../src/ports/registry.ts'
import type { Server } from '../../../src/ports/server.ts'
import { sessionOf } from '../session.ts'

export const ENGINE: EngineInfo = {
  product: 'docker',
  version: '28.0.1',
  apiVersion: '1.48',
  store: 'containerd',
  platform: { os: 'linux', architecture: 'amd64' },
  host: 'unix:///var/run/docker.sock',
}
export const ABSENT: EngineProblem = { reason: 'there is no such socket', kind: 'absent' }

export function place(origin: string, host: string, found: SurveyedPlace['found']): SurveyedPlace {
  return { origin, host, found }
}

interface Wanted {
  readonly permissions?: readonly string[]
  readonly registryHost?: string
  readonly secure?: boolean
  readonly pushAccess?: () => Promise<never>
  readonly manifestDigest?: () => Promise<never>
}

/** A machine on which everything is right, with what a test changes. */
export function probes(changes: Partial<Probes> = {}, wanted: Wanted = {}): Probes {
  const { registryHost = '127.0.0.1:7700', secure = false } = wanted
  return {
    runtime: { node: '24.1.0', platform: 'linux/x64' },
    newerNodeForServer: undefined,
    engines: async () => [place('Docker', ENGINE.host, ENGINE)],
    target: async () => ({ server: 'http://127.0.0.1:7700', isLocal: true }),
    serverConfig: async () => serverConfig(registryHost, secure),
    serverClock: async () => ({ server: 1e12, here: 1e12 + 90_000 }),
    session: async () => ({
      ...sessionOf('http://127.0.0.1:7700', 'img_secret'),
      origin: 'file',
      profile: 'local',
    }),
    server: async () => server(wanted),
    openRepository: async () => (location) =>
      only<Repository>({
        location: { ...location, secure: location.secure ?? true },
        manifestDigest: wanted.manifestDigest ?? (async () => undefined),
      }),
    credentialStore: async () => ({
      kind: 'file',
      paths: [{ path: '/home/ada/.config/imgctl/credentials.json', mode: 0o600, wanted: 0o600 }],
    }),
    dockerCredentials: async () => ({ file: '/home/ada/.docker/config.json', helpers: [], others: [] }),
    proxy: async () => ({ variables: [], unusable: [], used: undefined }),
    extraCertificates: async () => undefined,
    trustsEveryCertificate: false,
    dataDisk: async () => ({ folder: '/data', freeBytes: 100e9 }),
    ...changes,
  }
}

export function never(): Promise<never> {
  return new Promise(() => {})
}

export function refuse(code: 'FORBIDDEN' | 'REGISTRY_UNREACHABLE' | 'SERVER_UNREACHABLE' | 'AUTH_REQUIRED') {
  return async (): Promise<never> => {
    throw new ImgctlError(code, `refused: ${code}`, { context: ['line'], hint: `mend ${code}` })
  }
}

function serverConfig(host: string, secure: boolean) {
  return {
    version: '1.0.0',
    name: 'imgctl',
    registry: { host, secure },
    oidc: null,
    platforms: ['linux/amd64'],
    limits: { imageBytes: 1, imagesPerOrganization: 1, manifestBytes: 1 },
    compression: ['gzip' as const],
    builder: false,
  }
}

function server({ permissions = ['read:images', 'write:images'], registryHost, pushAccess }: Wanted): Server {
  const access = {
    username: 'imgctl',
    secret: 'push-secret',
    registryUrl: registryHost ?? '127.0.0.1:7700',
    registryId: 'embedded',
    project: 'default',
    expiresAt: '2030-01-01T00:00:00Z',
  }
  return only<Server>({
    me: async () =>
      ({
        id: 'u1',
        name: 'ada',
        email: null,
        organization: { id: 'o1', slug: 'default', name: 'Default', createdAt: '2030-01-01T00:00:00Z' },
        permissions,
        keyName: null,
      }) as Awaited<ReturnType<Server['me']>>,
    pushAccess: pushAccess ?? (async () => access),
  })
}

/** An object that throws on every use that the test did not expect. */
function only<T extends object>(expected: Partial<T>): T {
  return new Proxy(expected, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      // Awaited values are asked for `then`.
      if (value === undefined && key !== 'then') throw new Error(`unexpected use of ${String(key)}`)
      return value
    },
  }) as T
}
