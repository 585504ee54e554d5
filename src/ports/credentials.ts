/** What a request to the server carries to say who asks. */
export interface Bearer {
  /**
   * The API key, or an access token that is good for now.
   *
   * @throws ImgctlError AUTH_REQUIRED when the login has ended
   */
  token(signal?: AbortSignal): Promise<string>
  /**
   * Another token after the server did not take `refused`; undefined when there can be none.
   *
   * @throws as `token`
   */
  renew(refused: string, signal?: AbortSignal): Promise<string | undefined>
  /** When the access token that was given last ends, in milliseconds since 1970; undefined for an API key. */
  readonly expiresAt: number | undefined
}

/** A server and who uses it. */
export interface Session {
  readonly server: string
  readonly method: 'api-key' | 'oauth'
  readonly bearer: Bearer
  /** Where the key or token came from: shown by `whoami`. */
  readonly origin: 'environment' | CredentialPlace
  /** The profile's name; undefined when the environment alone answered. */
  readonly profile: string | undefined
  /** Which organization to ask for, by id or slug; undefined: the server's choice. */
  readonly organization: string | undefined
}

export type CredentialPlace = 'keychain' | 'file'

/** What a login leaves behind. A refresh token goes to the issuer that made it and to nobody else. */
export type Credential =
  | { readonly kind: 'api-key'; readonly apiKey: string }
  | {
      readonly kind: 'oauth'
      /** Undefined: the issuer gave none, and the login ends with its access token. */
      readonly refreshToken: string | undefined
      readonly issuer: string
      readonly clientId: string
      readonly audience: string
    }

export type OAuthCredential = Extract<Credential, { kind: 'oauth' }>

/** Whose credential: it is bound to the server, so that a changed profile sends it nowhere else. */
export interface Account {
  readonly profile: string
  readonly server: string
}

/**
 * One place that keeps credentials.
 *
 * @throws ImgctlError CREDENTIALS_UNAVAILABLE, and FILE_UNREADABLE, DISK_FULL of a file
 */
export interface CredentialStore {
  readonly kind: CredentialPlace
  read(account: Account): Promise<Credential | undefined>
  write(account: Account, credential: Credential): Promise<void>
  /** @returns whether there was one */
  remove(account: Account): Promise<boolean>
  /** What tells its accounts from those of the same name elsewhere. */
  readonly scope: string
  /** Whether a change is going to be possible: asked before a token is used up that cannot be replaced then. */
  assertWritable(): Promise<void>
}

/** `<profile>@<server>`: the name of an account in every store. */
export function accountName({ profile, server }: Account): string {
  return `${profile}@${server}`
}

/** An access token, while it lasts. Times are milliseconds since 1970 of this machine's clock. */
export interface AccessToken {
  readonly value: string
  readonly issuedAt: number
  readonly expiresAt: number
}
