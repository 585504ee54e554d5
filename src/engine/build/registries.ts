import { isLoopback } from '../../internal/loopback.ts'
import { DEFAULT_DOMAIN, tryParseReference } from '../../oci/reference.ts'
import type { BuildCredentials, BuildRequest } from '../../ports/engine-build.ts'

/** Under which name the engine's API keeps Docker Hub's credentials. moby registry.IndexServer. */
const HUB_SERVER = 'https://index.docker.io/v1/'
const HUB_HOSTS = new Set(['registry-1.docker.io', 'index.docker.io', DEFAULT_DOMAIN])

type AskCredentials = (host: string) => Promise<BuildCredentials | undefined>

/** Asks `credentialsFor` once for each host, as a credential helper is a program; Docker Hub has one name. */
export function credentialsByHost(request: BuildRequest): AskCredentials {
  const known = new Map<string, Promise<BuildCredentials | undefined>>()
  return (text) => {
    const host = HUB_HOSTS.has(text) ? DEFAULT_DOMAIN : text
    const answer = known.get(host) ?? Promise.resolve(request.credentialsFor?.(host))
    known.set(host, answer)
    return answer
  }
}

/** The registries of the FROM lines. `scratch` and names of stages are no matter: nobody has credentials for them. */
export function baseRegistries({ baseImages = [] }: BuildRequest): string[] {
  const hosts = baseImages.flatMap((image) => {
    const reference = tryParseReference(image)
    return 'rule' in reference || image === 'scratch' ? [] : [reference.domain]
  })
  return [...new Set(hosts)]
}

/**
 * Whether plain HTTP is all right for every base image: each registry is on this machine, where Docker allows it by
 * itself and Podman has to be told.
 */
export function onlyLoopbackRegistries(request: BuildRequest): boolean {
  const hosts = baseRegistries(request).filter((host) => host !== DEFAULT_DOMAIN)
  return hosts.length > 0 && hosts.every(isLoopback)
}

/**
 * The value of X-Registry-Config: the classic builder is given credentials beforehand, so only those of the
 * registries in FROM lines. https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Image/operation/ImageBuild
 */
export async function encodeRegistryConfig(
  hosts: readonly string[],
  credentialsFor: AskCredentials,
): Promise<string> {
  const entries: [string, object][] = []
  for (const host of hosts) {
    const credentials = await credentialsFor(host)
    if (credentials === undefined) continue
    const server = host === DEFAULT_DOMAIN ? HUB_SERVER : host
    entries.push([server, { ...inEngineWords(credentials), serveraddress: server }])
  }
  const json = JSON.stringify(Object.fromEntries(entries))
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

function inEngineWords(credentials: BuildCredentials): object {
  if ('identityToken' in credentials) return { identitytoken: credentials.identityToken }
  return { username: credentials.username, password: credentials.password }
}
