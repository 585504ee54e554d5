import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJsonFile } from '../../config/json-file.ts'
import { containersAuthFiles, dockerConfigDir } from '../../config/paths.ts'
import { isRecord } from '../../internal/is-record.ts'
import { hasSystemCode } from '../../internal/system-code.ts'
import { ofWholeRegistries } from './registry-key.ts'

type Section = Readonly<Record<string, unknown>>

/** What all of the places are written as: docker's config. */
export interface CredentialConfig {
  readonly auths: Section
  readonly credHelpers: Section
  readonly credsStore: unknown
  /** Whether keys of `auths` may name a part of a registry, `quay.io/team`, and are for that part only. */
  readonly namespaced: boolean
}

/** A place where credentials for registries may be. */
export interface CredentialPlace {
  /** For messages: a file, or a variable. */
  readonly name: string
  /** @returns undefined when nothing is there. @throws ImgctlError FILE_UNREADABLE, which never quotes what is there */
  readonly read: () => Promise<CredentialConfig | undefined>
}

interface Surroundings {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly uid?: number
}

const AUTH_VARIABLE = 'DOCKER_AUTH_CONFIG'
const NO_CREDENTIALS: CredentialConfig = {
  auths: {},
  credHelpers: {},
  credsStore: undefined,
  namespaced: false,
}

/**
 * Where credentials are looked for. A login by hand goes before the variable that CI systems set: the contrary took
 * people's logins away from them (https://github.com/docker/cli/issues/6156).
 */
export function credentialPlaces({
  variables,
  home,
  uid,
}: Surroundings): [docker: CredentialPlace, ...CredentialPlace[]] {
  const docker = join(dockerConfigDir(variables, home), 'config.json')
  const containers = containersAuthFiles(variables, home, uid)
  return [
    { name: docker, read: () => readConfig(docker, 'repair it, or move it away and run docker login again') },
    { name: AUTH_VARIABLE, read: () => readVariable(variables[AUTH_VARIABLE]) },
    ...containers.map((name) => ({ name, read: () => readContainersAuth(name) })),
  ]
}

/** Docker takes `auths` of it, and nothing that names a program. */
async function readVariable(text: string | undefined): Promise<CredentialConfig | undefined> {
  if (!text) return undefined
  const repair = `correct it, or: unset ${AUTH_VARIABLE}`
  const { auths } = await parseJsonFile(AUTH_VARIABLE, async () => text, { repair })
  return { ...NO_CREDENTIALS, auths: section(auths) }
}

/** containers-auth.json(5): a helper is for a whole registry, and there is none for all of them. */
async function readContainersAuth(file: string): Promise<CredentialConfig | undefined> {
  const config = await readConfig(file, 'repair it, or move it away and run podman login again')
  if (config === undefined) return undefined
  const { auths, credHelpers } = config
  return { auths, credHelpers: ofWholeRegistries(credHelpers), credsStore: undefined, namespaced: true }
}

async function readConfig(file: string, repair: string): Promise<CredentialConfig | undefined> {
  let isThere = true
  const read = async () => {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      isThere = !isAbsent(error)
      throw error
    }
  }
  const { auths, credHelpers, credsStore } = await parseJsonFile(file, read, { repair })
  if (!isThere) return undefined
  return { auths: section(auths), credHelpers: section(credHelpers), credsStore, namespaced: false }
}

function isAbsent(error: unknown): boolean {
  return hasSystemCode(error, 'ENOENT')
}

function section(value: unknown): Section {
  return isRecord(value) ? value : {}
}
