import { dockerConfigDir } from '../config/paths.ts'
import type { EngineChoice } from '../ports/engine.ts'
import { defaultPlaces } from './default-places.ts'
import { contextEndpoint, currentContext, DEFAULT_CONTEXT, readTls } from './docker-config.ts'
import { type Endpoint, parseEndpoint, type TlsMaterial } from './endpoint.ts'
import type { EngineEnvironment } from './environment.ts'

/** A place where the engine may be, and who says so: `DOCKER_HOST`, `docker context 'colima'`, `Podman`. */
export interface Place {
  readonly origin: string
  readonly endpoint: Endpoint
}

/**
 * Where to look for the engine, in order. One place when the user named it (flag, environment, docker
 * context): another engine is never used in silence. The usual sockets otherwise.
 *
 * The order is docker's: --host, --context, DOCKER_HOST, DOCKER_CONTEXT, the current context.
 *
 * @throws ImgctlError USAGE for an address that is none, NOT_FOUND for a context that is not there,
 *   FILE_UNREADABLE for docker's files
 */
export async function locate(environment: EngineEnvironment, choice: EngineChoice = {}): Promise<Place[]> {
  const { variables } = environment
  if (choice.host) return [await addressed(environment, choice.host, '--host')]
  if (choice.context) return inContext(environment, choice.context)
  const host = variables['DOCKER_HOST']
  if (host) return [await addressed(environment, host, 'DOCKER_HOST')]
  const context =
    variables['DOCKER_CONTEXT'] || (await currentContext(dockerConfigDir(variables, environment.home)))
  return inContext(environment, context ?? DEFAULT_CONTEXT)
}

async function addressed(environment: EngineEnvironment, host: string, origin: string): Promise<Place> {
  return { origin, endpoint: parseEndpoint(host, origin, await tlsFromEnvironment(environment)) }
}

async function inContext(environment: EngineEnvironment, name: string): Promise<Place[]> {
  const { variables } = environment
  if (name === DEFAULT_CONTEXT) {
    return defaultPlaces(environment).map(({ product, endpoint }) => ({ origin: product, endpoint }))
  }
  const endpoint = await contextEndpoint(dockerConfigDir(variables, environment.home), name)
  return [{ origin: `docker context '${name}'`, endpoint }]
}

/** DOCKER_TLS_VERIFY checks the engine's certificate, DOCKER_TLS alone does not; any value counts, as in docker. */
async function tlsFromEnvironment(environment: EngineEnvironment): Promise<TlsMaterial | undefined> {
  const { variables } = environment
  const verify = Boolean(variables['DOCKER_TLS_VERIFY'])
  if (!verify && !variables['DOCKER_TLS']) return undefined
  return readTls(variables['DOCKER_CERT_PATH'] || dockerConfigDir(variables, environment.home), verify)
}
