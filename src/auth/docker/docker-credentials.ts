import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord, parseJsonFile } from '../../config/json-file.ts'
import type { RegistryCredentials, RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import { askHelper, type HelperEnvironment } from './ask-helper.ts'
import { readAuthEntry } from './auth-entry.ts'
import { findProgram, helperProgram, isHelperName } from './helper-program.ts'
import { entryFor, helperKey, registryHost } from './registry-key.ts'

export interface DockerCredentialsOptions extends HelperEnvironment {
  /** The user's home folder. */
  readonly home: string
}

/** A credential helper that docker's config names. */
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
}

/**
 * What `docker login` stored, in docker's config ($DOCKER_CONFIG or ~/.docker) or behind its credential helpers.
 * Docker's order: the helper of this registry, the helper of all registries, the config itself. Everything is read
 * when it is asked for and kept nowhere.
 * https://docs.docker.com/reference/cli/docker/login/#credential-stores
 */
export function dockerCredentials(options: DockerCredentialsOptions): DockerCredentials {
  const file = join(options.variables['DOCKER_CONFIG'] || join(options.home, '.docker'), 'config.json')
  return {
    file,
    credentialsFor: async (host, signal) => credentialsFor(file, registryHost(host), options, signal),
    helpers: () => helpers(file, options),
  }
}

async function credentialsFor(
  file: string,
  host: string,
  options: DockerCredentialsOptions,
  signal: AbortSignal | undefined,
): Promise<RegistryCredentials | undefined> {
  signal?.throwIfAborted()
  const { auths, credHelpers, credsStore } = await readConfig(file)
  const helper = entryFor(credHelpers, host) ?? credsStore
  if (typeof helper === 'string' && helper !== '') {
    return askHelper(helper, helperKey(host), file, options, signal)
  }
  return readAuthEntry(entryFor(auths, host), file, host)
}

async function helpers(file: string, options: DockerCredentialsOptions): Promise<ConfiguredHelper[]> {
  const { credHelpers, credsStore } = await readConfig(file)
  const named = [[undefined, credsStore] as const, ...Object.entries(credHelpers)]
  const found = named.map(async ([host, name]): Promise<ConfiguredHelper[]> => {
    if (typeof name !== 'string' || name === '') return []
    if (!isHelperName(name)) return [{ program: name, host, path: undefined }]
    const program = helperProgram(name)
    return [{ program, host, path: await findProgram(program, options.variables, options.platform) }]
  })
  return (await Promise.all(found)).flat()
}

type Section = Readonly<Record<string, unknown>>

interface DockerConfig {
  readonly auths: Section
  readonly credHelpers: Section
  readonly credsStore: unknown
}

async function readConfig(file: string): Promise<DockerConfig> {
  const { auths, credHelpers, credsStore } = await parseJsonFile(file, () => readFile(file, 'utf8'), {
    repair: 'repair it, or move it away and run docker login again',
  })
  return { auths: section(auths), credHelpers: section(credHelpers), credsStore }
}

function section(value: unknown): Section {
  return isRecord(value) ? value : {}
}
