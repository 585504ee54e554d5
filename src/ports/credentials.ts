/** A server and the API key for it, as one profile holds them. */
export interface Session {
  readonly server: string
  readonly apiKey: string
  /** Where the key came from: shown by `whoami`. */
  readonly origin: 'environment' | 'file' | 'keychain'
  /** The profile's name; undefined when the environment alone answered. */
  readonly profile: string | undefined
}

/** Keeps the secret of a profile; the profile itself (server, name) is in the config file. */
export interface CredentialStore {
  readonly kind: 'file' | 'keychain'
  read(profile: string): Promise<string | undefined>
  write(profile: string, secret: string): Promise<void>
  remove(profile: string): Promise<void>
}
