import { join } from 'node:path'
import { ImgctlError, isCode } from '../errors/error.ts'
import { isRecord } from '../internal/is-record.ts'
import { isLoopback } from '../internal/loopback.ts'
import { changeJsonFile, type JsonChange, parseJsonFile } from './json-file.ts'

/** A server under a name of the user's. Its secret is elsewhere (auth/). */
export interface Profile {
  readonly server: string
  /** Where its secret is; undefined: nobody is logged in. */
  readonly credential?: 'keychain' | 'file' | undefined
  /** The organization to use, by id or slug; undefined: the server's choice. */
  readonly organization?: string | undefined
}

/** What config.json says. Keys that this version does not know are kept in `raw`. */
export interface Config {
  readonly active: string | undefined
  readonly profiles: ReadonlyMap<string, Profile>
  readonly raw: Readonly<Record<string, unknown>>
}

/** A profile's name is typed on command lines and is a key in files. */
const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The profiles of this user, in `config.json`. Every change replaces the file as a whole. */
export class ProfileStore {
  readonly file: string
  readonly #onBackup: JsonChange['onBackup']

  /** @param onBackup makes a login survive a broken file: told where the old one is kept */
  constructor(folder: string, onBackup?: JsonChange['onBackup']) {
    this.file = join(folder, 'config.json')
    this.#onBackup = onBackup
  }

  /** No file is an empty config. @throws ImgctlError FILE_UNREADABLE naming the file */
  async read(): Promise<Config> {
    const raw = await parseJsonFile(this.file)
    const entries = isRecord(raw['profiles']) ? Object.entries(raw['profiles']) : []
    const profiles = new Map<string, Profile>()
    for (const [name, value] of entries) {
      const profile = isRecord(value) ? toProfile(value) : undefined
      if (profile) profiles.set(name, profile)
    }
    const active = raw['activeProfile']
    return { active: typeof active === 'string' ? active : undefined, profiles, raw }
  }

  /** As `read`; a broken file counts as none, because `save` will put it aside. */
  async readForLogin(): Promise<Config> {
    return this.read().catch((error) => {
      if (!isCode(error, 'FILE_UNREADABLE') || error.cause !== undefined) throw error
      return { active: undefined, profiles: new Map(), raw: {} }
    })
  }

  /**
   * Adds or changes a profile and makes it the active one; what is said to be undefined is removed.
   *
   * @throws ImgctlError USAGE for a bad name, FILE_UNREADABLE, DISK_FULL
   */
  async save(name: string, profile: Profile): Promise<void> {
    assertProfileName(name)
    await this.#change(
      (raw, profiles) => ({ ...raw, activeProfile: name, profiles: merged(profiles, name, profile) }),
      this.#onBackup,
    )
  }

  /** Changes what is said of a profile, if it is there still. */
  async update(name: string, profile: Partial<Profile>): Promise<void> {
    await this.#change((raw, profiles) =>
      isRecord(profiles[name]) ? { ...raw, profiles: merged(profiles, name, profile) } : raw,
    )
  }

  /** @throws ImgctlError PROFILE_NOT_FOUND */
  async activate(name: string): Promise<void> {
    requireProfile(await this.read(), name)
    await this.#change((raw) => ({ ...raw, activeProfile: name }))
  }

  /** The active profile is none afterwards when it was this one. @throws ImgctlError PROFILE_NOT_FOUND */
  async remove(name: string): Promise<void> {
    requireProfile(await this.read(), name)
    await this.#change((raw, { [name]: _, ...profiles }) => {
      const { activeProfile, ...rest } = raw
      return { ...rest, ...(activeProfile === name ? {} : { activeProfile }), profiles }
    })
  }

  async #change(
    change: (raw: Record<string, unknown>, profiles: Record<string, unknown>) => Record<string, unknown>,
    onBackup?: JsonChange['onBackup'],
  ): Promise<void> {
    await changeJsonFile(this.file, {
      change: (raw) => change({ ...raw }, isRecord(raw['profiles']) ? raw['profiles'] : {}),
      onBackup,
    })
  }
}

function toProfile({ server, credential, organization }: Record<string, unknown>): Profile | undefined {
  if (typeof server !== 'string') return undefined
  return {
    server,
    ...(credential === 'keychain' || credential === 'file' ? { credential } : {}),
    ...(typeof organization === 'string' && organization ? { organization } : {}),
  }
}

function merged(
  profiles: Readonly<Record<string, unknown>>,
  name: string,
  profile: Partial<Profile>,
): Record<string, unknown> {
  const before = isRecord(profiles[name]) ? profiles[name] : {}
  return { ...profiles, [name]: { ...before, ...profile } }
}

/** @throws ImgctlError PROFILE_NOT_FOUND */
export function requireProfile(config: Config, name: string): Profile {
  const profile = config.profiles.get(name)
  if (profile) return profile
  const known = [...config.profiles.keys()]
  throw new ImgctlError('PROFILE_NOT_FOUND', `no profile is called ${JSON.stringify(name)}`, {
    hint: known.length > 0 ? `profiles: ${known.join(', ')}` : 'make one: imgctl login',
  })
}

/**
 * The profile that a new login to `server` goes to when none was named: the one that is of this server, else `local`
 * or the host's name, else, when that is taken by another server, the host and port.
 */
export function profileNameFor(server: string, { profiles }: Config): string {
  for (const [name, profile] of profiles) if (profile.server === server) return name
  const { hostname, host } = new URL(server)
  const name = isLoopback(server) ? 'local' : toProfileName(hostname)
  return profiles.has(name) ? toProfileName(host) : name
}

function toProfileName(host: string): string {
  return host
    .replace(/[^A-Za-z0-9.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64)
}

/** @throws ImgctlError USAGE */
export function assertProfileName(name: string): void {
  if (PROFILE_NAME.test(name)) return
  throw new ImgctlError('USAGE', `${JSON.stringify(name)} cannot be a profile's name`, {
    hint: 'letters, digits, . _ and -, at most 64',
  })
}
