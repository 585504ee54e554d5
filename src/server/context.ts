import type { Logger } from 'pino'
import type { Platform } from '../oci/platform.ts'
import type { BlobStore } from './content/blob-store.ts'
import type { ServerKeys } from './identity/keys.ts'
import type { Db } from './store/database.ts'

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
  /** Hosts (`host` or `host:port`) that `image create` may fetch from although their address is not public. */
  readonly allowUpstream: readonly string[]
  /** What images must run on; the first is what an index is resolved to. */
  readonly platforms: readonly Platform[]
  readonly limits: {
    /** Config and layers of one image, compressed. */
    readonly imageBytes: number
    readonly imagesPerOrganization: number
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
  readonly keys: ServerKeys
  readonly log: Logger
  /** Milliseconds since 1970; a test may hand in its own clock. */
  readonly now: () => number
  /** Tells the reconciler that an image waits for it. */
  readonly wakeReconciler: () => void
}
