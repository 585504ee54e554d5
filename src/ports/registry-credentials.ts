/** How a user is let in to one registry: by name and password, or by a token that a token server takes for both. */
export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }

export interface WantedCredentials {
  /** `team/app`: what the user has for a part of the registry is for what is in that part. */
  readonly repository?: string
  readonly signal?: AbortSignal | undefined
}

/** What the user has for registries. Secrets: given to the registry that was asked for, and to nobody else. */
export interface RegistryCredentialsSource {
  /**
   * @param host `host` or `host:port` of the registry, as a reference names it
   * @returns undefined when there are none for exactly this host, or for the part of it that was asked for
   * @throws ImgctlError CREDENTIALS_UNAVAILABLE, FILE_UNREADABLE; NAME_INVALID for what is no host
   */
  credentialsFor(host: string, wanted?: WantedCredentials): Promise<RegistryCredentials | undefined>
}
