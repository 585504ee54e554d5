import type { Permission } from '../contract/identity.ts'

/** A user as the operator sees them. */
export interface UserRecord {
  /** What they type to log in here; null for one of an external issuer. */
  readonly login: string | null
  readonly id: string
  readonly name: string
  readonly email: string | null
  readonly state: UserState
  readonly issuer: string | null
  readonly memberships: readonly {
    readonly organization: string
    readonly permissions: readonly Permission[]
  }[]
  readonly apiKeys: number
  readonly createdAt: string
}

/** `invited`: has not set a password yet. */
export type UserState = 'active' | 'invited' | 'disabled'

export interface OrganizationRecord {
  readonly slug: string
  readonly id: string
  readonly name: string
  readonly users: number
  readonly images: number
  /** Bytes of its blobs, each counted once. */
  readonly storedBytes: number
  /** Bytes that it may store; null: what the server's settings say of all. */
  readonly storageQuota: number | null
  readonly createdAt: string
}

/** A link that sets a password once. */
export interface SetupLink {
  readonly user: string
  readonly link: string
  readonly expiresAt: string
  /** API keys of the user that have not expired: a new password leaves them as they are. */
  readonly apiKeys: number
}

export interface NewUser {
  readonly login: string
  readonly name: string | undefined
  readonly email: string | undefined
  readonly organization: string
  readonly permissions: readonly Permission[]
}

export interface NewKey {
  readonly name: string | undefined
  /** The only one they are in, when it is not said. */
  readonly organization: string | undefined
  /** All that the user has, when none is said. */
  readonly permissions: readonly Permission[]
}

/**
 * The users of a server on this machine, by its data folder: the server may run, and what changes here counts from
 * its next request on. `user` is a login name, or the id, e-mail address or name of exactly one user.
 */
export interface ServerUsers {
  list(): Promise<UserRecord[]>
  /** @throws ImgctlError CONFLICT, NAME_INVALID, NOT_FOUND (organization); and as setupLink */
  add(user: NewUser): Promise<SetupLink>
  /** Earlier links end. @throws ImgctlError NOT_FOUND; CONFLICT for a user of an external issuer, or a server without login */
  setupLink(user: string): Promise<SetupLink>
  /**
   * Ends the user's logins; API keys stay.
   *
   * @returns how many keys that are, without expired ones
   * @throws ImgctlError NOT_FOUND, USAGE (too short)
   */
  setPassword(user: string, password: string): Promise<number>
  /** Every API key of the user ends, with each push access that it asked for. @returns how many. @throws ImgctlError NOT_FOUND */
  revokeKeys(user: string): Promise<number>
  /** These permissions and no others. @throws ImgctlError NOT_FOUND */
  grant(user: string, organization: string, permissions: readonly Permission[]): Promise<void>
  /** @throws ImgctlError NOT_FOUND */
  revoke(user: string, organization: string): Promise<void>
  /** @returns the value, which cannot be read again. @throws ImgctlError NOT_FOUND, FORBIDDEN, CONFLICT, USAGE */
  createKey(user: string, key: NewKey): Promise<{ readonly name: string; readonly value: string }>
  /** @throws ImgctlError NOT_FOUND */
  setEnabled(user: string, enabled: boolean): Promise<void>
  /** @throws ImgctlError NOT_FOUND */
  remove(user: string): Promise<UserRecord>
  organizations(): Promise<OrganizationRecord[]>
  /** @throws ImgctlError CONFLICT, NAME_INVALID */
  addOrganization(slug: string, name: string | undefined): Promise<OrganizationRecord>
  /** @param bytes null: what the server's settings say of all. @throws ImgctlError NOT_FOUND */
  setStorageQuota(slug: string, bytes: number | null): Promise<OrganizationRecord>
}
