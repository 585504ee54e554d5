import { assertProfileName, type Config, profileNameFor, requireProfile } from '../config/profiles.ts'
import { DEFAULT_SERVER, parseServerUrl } from '../config/server-url.ts'
import { ImgctlError } from '../errors/error.ts'
import type { Account, Bearer, CredentialPlace, Session } from '../ports/credentials.ts'

/** What was said outside the config file, the flag before the environment. */
export interface SessionInput {
  readonly flags: {
    readonly server?: string | undefined
    readonly profile?: string | undefined
    readonly organization?: string | undefined
  }
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A server and the profile that stands for it, before any secret is read. */
export interface Target {
  readonly server: string
  readonly profile: string | undefined
}

/**
 * Which server is meant: flag, then environment, then profile, then the default. A server that was named outright
 * stands with a profile only when that profile is of this server: a key is never sent to a server it was not made for.
 *
 * @throws ImgctlError USAGE, PROFILE_NOT_FOUND
 */
export function resolveTarget({ flags, environment }: SessionInput, config: Config): Target {
  const named = flags.profile ?? (environment['IMGCTL_PROFILE'] || undefined)
  if (named !== undefined) requireProfile(config, named)
  const profile = named ?? config.active
  const profileServer = profile === undefined ? undefined : config.profiles.get(profile)?.server
  const asked = flags.server ?? (environment['IMGCTL_SERVER'] || undefined)
  if (asked === undefined) {
    if (profileServer === undefined) return { server: DEFAULT_SERVER, profile: undefined }
    return { server: parseServerUrl(profileServer), profile }
  }
  const server = parseServerUrl(asked)
  const isOfServer = (candidate: string | undefined) =>
    candidate !== undefined && parseServerUrl(candidate) === server
  if (isOfServer(profileServer)) return { server, profile }
  if (named !== undefined) return { server, profile: undefined }
  const other = [...config.profiles].find(([, candidate]) => isOfServer(candidate.server))
  return { server, profile: other?.[0] }
}

/** The server and profile that a login is for: the profile may be new. @throws ImgctlError USAGE */
export function resolveLogin(
  { flags, environment }: SessionInput,
  config: Config,
): { readonly server: string; readonly profile: string } {
  const named = flags.profile ?? (environment['IMGCTL_PROFILE'] || undefined)
  if (named !== undefined) assertProfileName(named)
  const known = config.profiles.get(named ?? config.active ?? '')?.server
  const asked = flags.server ?? (environment['IMGCTL_SERVER'] || undefined)
  const server = parseServerUrl(asked ?? known ?? DEFAULT_SERVER)
  return { server, profile: named ?? profileNameFor(server, config) }
}

/** What a session is made of. */
export interface SessionParts {
  readonly config: Config
  /** The login of a profile; undefined when there is none. */
  readonly login: (account: Account) => Promise<StoredLogin | undefined>
}

/** How a stored login is used, and where it is. */
export type StoredLogin = Pick<Session, 'method' | 'bearer'> & { readonly origin: CredentialPlace }

/**
 * The server and who uses it. `IMGCTL_API_KEY` is enough alone, and then no file or keychain is asked for one.
 *
 * @throws ImgctlError AUTH_REQUIRED
 */
export async function resolveSession(input: SessionInput, { config, login }: SessionParts): Promise<Session> {
  const { server, profile } = resolveTarget(input, config)
  const fromEnvironment = input.environment['IMGCTL_API_KEY']?.trim()
  if (fromEnvironment) {
    const organization = chosenOrganization(input)
    const bearer = apiKeyBearer(fromEnvironment)
    return { server, method: 'api-key', bearer, origin: 'environment', profile: undefined, organization }
  }
  const stored = profile === undefined ? undefined : await login({ profile, server })
  if (profile !== undefined && stored !== undefined) {
    const organization = chosenOrganization(input) ?? config.profiles.get(profile)?.organization
    return { server, ...stored, profile, organization }
  }
  throw new ImgctlError('AUTH_REQUIRED', `not logged in to ${server}`, { hint: loginHint(server) })
}

/** The organization that was named outside the config: flag before environment. */
export function chosenOrganization({ flags, environment }: SessionInput): string | undefined {
  return flags.organization ?? (environment['IMGCTL_ORGANIZATION'] || undefined)
}

/** An API key is what it is until it is revoked. */
export function apiKeyBearer(apiKey: string): Bearer {
  return { token: async () => apiKey, renew: async () => undefined, expiresAt: undefined }
}

/** A command that logs in to `server`. */
export function loginHint(server: string): string {
  const login = server === DEFAULT_SERVER ? 'imgctl login' : `imgctl login --server ${server}`
  return `${login}, or set IMGCTL_API_KEY`
}
