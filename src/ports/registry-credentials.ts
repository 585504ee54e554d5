/** How a user is let in to one registry: by name and password, or by a token that a token server takes for both. */
export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }

/** What the user has for registries. Secrets: given to the registry that was asked for, and to nobody else. */
export interface RegistryCredentialsSource {
  /**
   * @param host `host` or `host:port` of the registry, as a reference names it
   * @returns undefined when there are none for exactly this host
   * @throws ImgctlError CREDENTIALS_UNAVAILABLE, FILE_UNREADABLE; NAME_INVALID for what is no host
   */
  credentialsFor(host: string, signal?: AbortSignal): Promise<RegistryCredentials | undefined>
}
