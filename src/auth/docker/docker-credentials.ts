import type {
  RegistryCredentials,
  RegistryCredentialsSource,
  WantedCredentials,
} from '../../ports/registry-credentials.ts'
import { askHelper, type HelperEnvironment } from './ask-helper.ts'
import { readAuthEntry } from './auth-entry.ts'
import { type CredentialPlace, credentialPlaces } from './credential-places.ts'
import { findProgram, helperProgram, isHelperName } from './helper-program.ts'
import { entryFor, helperKey, namespacedEntryFor, registryHost } from './registry-key.ts'

export interface DockerCredentialsOptions extends HelperEnvironment {
  /** The user's home folder. */
  readonly home: string
  /** The user's id on Unix. */
  readonly uid?: number
}

/** A credential helper that is configured. */
export interface ConfiguredHelper {
  /** `docker-credential-osxkeychain`; the name as it stands in the config when no program can be called so. */
  readonly program: string
  /** The registry it is for; undefined: all that no other helper is for. */
  readonly host: string | undefined
  /** Where the program is; undefined when it is not on PATH. */
  readonly path: string | undefined
}

export interface DockerCredentials extends RegistryCredentialsSource {
  /** docker's config, whether it is there or not. */
  readonly file: string
  /** The helpers that are configured, without running them. @throws ImgctlError FILE_UNREADABLE */
  helpers(): Promise<ConfiguredHelper[]>
  /** What is there beside docker's config, by name. @throws ImgctlError FILE_UNREADABLE */
  others(): Promise<string[]>
}

/**
 * What `docker login` stored, in docker's config or behind its credential helpers; after that what is in
 * DOCKER_AUTH_CONFIG, and what `podman login` stored. The first that has something for a registry counts. In each,
 * docker's order: the helper of this registry, the helper of all registries, the config itself; what Podman has for a
 * part of a registry goes before what it has for the whole. Everything is read when it is asked for and kept nowhere.
 * https://docs.docker.com/reference/cli/docker/login/#credential-stores
 */
export function dockerCredentials(options: DockerCredentialsOptions): DockerCredentials {
  const [docker, ...others] = credentialPlaces(options)
  return {
    file: docker.name,
    credentialsFor: async (name, wanted = {}) => {
      const host = registryHost(name)
      for (const place of [docker, ...others]) {
        wanted.signal?.throwIfAborted()
        const found = await credentialsIn(place, host, wanted, options)
        if (found !== undefined) return found
      }
      return undefined
    },
    helpers: async () => {
      const found = await Promise.all([docker, ...others].map((place) => helpersIn(place, options)))
      return found.flat()
    },
    others: async () => {
      const found = others.map(async ({ name, read }) => ((await read()) === undefined ? [] : [name]))
      return (await Promise.all(found)).flat()
    },
  }
}

async function credentialsIn(
  { name, read }: CredentialPlace,
  host: string,
  { repository, signal }: WantedCredentials,
  options: DockerCredentialsOptions,
): Promise<RegistryCredentials | undefined> {
  const config = await read()
  if (config === undefined) return undefined
  const helper = entryFor(config.credHelpers, host) ?? config.credsStore
  if (typeof helper === 'string' && helper !== '') {
    return askHelper(helper, helperKey(host), name, options, signal)
  }
  const { auths, namespaced } = config
  const entry = namespaced ? namespacedEntryFor(auths, host, repository) : entryFor(auths, host)
  return readAuthEntry(entry, name, host)
}

async function helpersIn(
  { read }: CredentialPlace,
  { variables, platform }: DockerCredentialsOptions,
): Promise<ConfiguredHelper[]> {
  const config = await read()
  if (config === undefined) return []
  const named = [[undefined, config.credsStore] as const, ...Object.entries(config.credHelpers)]
  const found = named.map(async ([host, name]): Promise<ConfiguredHelper[]> => {
    if (typeof name !== 'string' || name === '') return []
    if (!isHelperName(name)) return [{ program: name, host, path: undefined }]
    const program = helperProgram(name)
    return [{ program, host, path: await findProgram(program, variables, platform) }]
  })
  return (await Promise.all(found)).flat()
}
