import type { Logger } from 'pino'
import type { Permission } from '../contract/identity.ts'
import type { Platform } from '../oci/platform.ts'
import type { BlobStore } from './content/blob-store.ts'
import type { Reserve } from './content/reserve.ts'
import type { ServerKeys } from './identity/keys.ts'
import type { AccessTokens } from './identity/token-login.ts'
import type { Db } from './store/database.ts'

/** An issuer that is run by others: Auth0, Keycloak, Dex. */
export interface ExternalIssuerSettings {
  /** As in its tokens' `iss`, to the letter. */
  readonly issuer: string
  /** The public native client that imgctl is there. */
  readonly clientId: string
  /** What its access tokens for this server have in `aud`. */
  readonly audience: string
  /** What a user may do in the first organization from the first login on; empty: nothing. Never `admin`. */
  readonly defaultPermissions: readonly Permission[]
  /** The `sub`, or the verified e-mail address, of those who are administrators from their first login on. */
  readonly admins: readonly string[]
}

/** What the person who runs the server chose; see `imgctl serve --help`. */
export interface ServerSettings {
  readonly name: string
  readonly version: string
  /** Everything the server keeps is in this folder (0700). */
  readonly dataDir: string
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  /** How clients reach the server, when that is not the address it listens on. No path. */
  readonly publicUrl: string | undefined
  readonly insecureHttp: boolean
  /** Addresses and CIDR ranges whose forwarded headers are believed, besides those of this machine. */
  readonly trustedProxies: readonly string[]
  /** Whose access tokens are taken; undefined: this server is the issuer itself. */
  readonly oidc: ExternalIssuerSettings | undefined
  /** Hosts (`host` or `host:port`) that `image create` may fetch from although their address is not public. */
  readonly allowUpstream: readonly string[]
  /** What images must run on; the first is what an index is resolved to. */
  readonly platforms: readonly Platform[]
  readonly limits: {
    /** Config and layers of one image, compressed. */
    readonly imageBytes: number
    readonly imagesPerOrganization: number
    /** Bytes of different blobs in one organization; any when absent. */
    readonly storagePerOrganization?: number | undefined
    /** Requests under /api; the registry's own are not counted. */
    readonly requestsPerMinute: { readonly key: number; readonly address: number }
  }
  /** How long content that nothing refers to is kept after a push last relied on it. */
  readonly graceMs: number
  readonly logLevel: string
}

/** What every part of the running server is given. */
export interface ServerContext {
  readonly settings: ServerSettings
  readonly db: Db
  readonly blobs: BlobStore
  /** For everything that removes: it works on a full disk too. */
  readonly reserve: Reserve
  readonly keys: ServerKeys
  readonly accessTokens: AccessTokens
  /** How browsers reach the server, without a path; undefined when that is not known: then nobody can log in. */
  readonly origin: () => string | undefined
  readonly log: Logger
  /** Milliseconds since 1970; a test may hand in its own clock. */
  readonly now: () => number
  /** Tells the reconciler that an image waits for it. */
  readonly wakeReconciler: () => void
}
