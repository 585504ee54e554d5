import type { Generated } from 'kysely'

/**
 * The tables. Times are integers, milliseconds since 1970 UTC; booleans are 0 or 1; columns named `...Json`
 * hold JSON text. Digests are `sha256:hex`.
 */
export interface Database {
  organizations: OrganizationTable
  users: UserTable
  memberships: MembershipTable
  accounts: AccountTable
  identities: IdentityTable
  setup_links: SetupLinkTable
  login_failures: LoginFailureTable
  signing_keys: SigningKeyTable
  issuer_records: IssuerRecordTable
  server_facts: ServerFactTable
  api_keys: ApiKeyTable
  registries: RegistryTable
  repositories: RepositoryTable
  blobs: BlobTable
  blob_links: BlobLinkTable
  manifests: ManifestTable
  manifest_references: ManifestReferenceTable
  tags: TagTable
  uploads: UploadTable
  images: ImageTable
  image_labels: ImageLabelTable
  image_events: ImageEventTable
  audit_log: AuditLogTable
}

export interface OrganizationTable {
  id: string
  slug: string
  name: string
  imageQuota: number
  /** Of its blobs, each once, whichever repositories have it. Triggers keep it. */
  storedBytes: Generated<number>
  /** Bytes that it may store; null: what the server's settings say. */
  storageQuota: Generated<number | null>
  createdAt: number
}

export interface UserTable {
  id: string
  name: string
  email: string | null
  createdAt: number
  /** Set: the user is kept, and nothing of theirs works. */
  disabledAt: number | null
}

/** A user of this server's own login pages. */
export interface AccountTable {
  /** Lower case; what is typed into the login page. */
  login: string
  userId: string
  /** As made by identity/password.ts; null until the setup link was used. */
  passwordHash: string | null
}

/** Who a user is for an external issuer: its `iss` and `sub`. */
export interface IdentityTable {
  issuer: string
  subject: string
  userId: string
}

/** A link that sets a password, once. */
export interface SetupLinkTable {
  /** SHA-256 of the token in the link, hex. */
  hash: string
  userId: string
  expiresAt: number
}

/** Wrong passwords of late, counted by whom they were for or came from. */
export interface LoginFailureTable {
  bucket: string
  failures: number
  /** When the window that they are counted in began. */
  since: number
}

/** A key that signs the issuer's tokens; the newest one does, older ones verify. */
export interface SigningKeyTable {
  kid: string
  /** The private JWK, sealed with the server's key file. */
  sealed: string
  createdAt: number
}

/** What the issuer remembers: sessions, grants, codes, refresh tokens. Ids are hashed: they are secrets. */
export interface IssuerRecordTable {
  model: string
  id: string
  /** The payload as JSON, sealed with the server's key file. */
  sealed: string
  grantId: string | null
  uid: string | null
  userCode: string | null
  accountId: string | null
  /** When it was first used, for what may be used once. */
  consumedAt: number | null
  expiresAt: number | null
}

/** What other processes on this data folder need to know about the server. */
export interface ServerFactTable {
  name: string
  value: string
}

export interface MembershipTable {
  organizationId: string
  userId: string
  permissionsJson: string
}

export interface ApiKeyTable {
  id: string
  organizationId: string
  userId: string
  name: string
  /** SHA-256 of the value, hex: the value itself is never stored. */
  hash: string
  /** What a list shows: the first 4 and last 3 characters. */
  masked: string
  permissionsJson: string
  /** The key that asked for this one: revoking it revokes this one too. */
  createdByKeyId: string | null
  createdAt: number
  expiresAt: number | null
  lastUsedAt: number | null
}

/** A private registry that the organization's images may be fetched from. */
export interface RegistryTable {
  id: string
  organizationId: string
  name: string
  host: string
  secure: number
  username: string
  /** Encrypted with the server's key file; see identity/keys.ts. */
  sealedPassword: string
  project: string
  isDefault: number
  createdAt: number
  updatedAt: number
}

/** A repository of the embedded registry; `path` is without the organization's slug. */
export interface RepositoryTable {
  id: Generated<number>
  organizationId: string
  path: string
  createdAt: number
}

export interface BlobTable {
  digest: string
  size: number
  createdAt: number
}

/** Makes a blob visible in one repository. `touchedAt`: last time a push relied on it (upload, mount, HEAD). */
export interface BlobLinkTable {
  repositoryId: number
  digest: string
  touchedAt: number
}

export interface ManifestTable {
  repositoryId: number
  digest: string
  mediaType: string
  size: number
  content: Uint8Array
  subject: string | null
  artifactType: string | null
  annotationsJson: string | null
  createdAt: number
  /** As for blob links: an untagged manifest is kept until the grace time after this has passed. */
  touchedAt: number
}

/** What a manifest needs to stay whole: its config and layers, or the manifests of an index. */
export interface ManifestReferenceTable {
  repositoryId: number
  manifestDigest: string
  digest: string
  kind: 'blob' | 'manifest'
}

export interface TagTable {
  repositoryId: number
  tag: string
  digest: string
  updatedAt: number
  /** Set for staging tags only. */
  expiresAt: number | null
}

/** An upload session. The bytes received are the length of its file. */
export interface UploadTable {
  id: string
  repositoryId: number
  createdAt: number
  expiresAt: number
}

export interface ImageTable {
  id: string
  organizationId: string
  /** `repository:tag` */
  name: string
  repository: string
  tag: string
  digest: string | null
  sourceJson: string
  state: string
  step: string | null
  reasonJson: string | null
  enabled: number
  general: number
  sizeBytes: number | null
  /** What a user gave; it wins over the image's own. */
  entrypointJson: string | null
  /** What the image's config says (entrypoint and command), known after validation. */
  ownEntrypointJson: string | null
  platform: string | null
  labelsJson: string
  visibility: 'private' | 'public'
  description: string | null
  createdBy: string | null
  createdAt: number
  updatedAt: number
  lastUsedAt: number | null
  /** When the present state began: each state has its own clock. */
  stateSince: number
  attempt: number
  nextAttemptAt: number
  leaseOwner: string | null
  leaseUntil: number | null
}

/** `labelsJson` of the images, to find them by: triggers keep it. */
export interface ImageLabelTable {
  organizationId: string
  key: string
  value: string
  imageId: string
}

export interface ImageEventTable {
  id: Generated<number>
  imageId: string
  at: number
  type: string
  state: string | null
  reasonJson: string | null
  actor: string | null
  digest: string | null
}

/** Who changed what. Names are those of that time; entries outlive what they tell of. */
export interface AuditLogTable {
  id: Generated<number>
  at: number
  organizationId: string | null
  userId: string | null
  userName: string | null
  keyId: string | null
  keyName: string | null
  action: string
  target: string | null
  requestId: string
  address: string
}
