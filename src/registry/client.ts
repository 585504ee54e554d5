import type { Dispatcher } from 'undici'
import { createHttpDispatcher } from '../internal/http-dispatcher.ts'
import { DEFAULT_RETRY, type RetryPolicy } from '../internal/retry.ts'
import type { Repository, RepositoryLocation } from '../ports/registry.ts'
import { Blobs } from './blob-reader.ts'
import { BlobUploads } from './blob-writer.ts'
import { Connection, type ConnectionSettings } from './connection.ts'
import { COMMIT_TIMEOUT_MS, IDLE_TIMEOUT_MS, type Timeouts } from './http.ts'
import { Manifests } from './manifests.ts'

export interface RegistryClientOptions {
  /**
   * Every request goes through it: also those to token servers and to where redirects lead. It stays the
   * caller's to close. Without it the client has a pool of its own, which honours the proxy environment.
   */
  readonly dispatcher?: Dispatcher
  readonly userAgent?: string
  readonly retry?: Partial<Omit<RetryPolicy, 'signal' | 'onRetry'>>
  readonly timeouts?: Partial<Timeouts>
  /** Told of each failure that is tried again, before the wait. */
  readonly onRetry?: NonNullable<RetryPolicy['onRetry']>
}

export interface RegistryClient {
  /**
   * One repository, with its own credentials and tokens. Nothing is sent yet. Open one per operation.
   *
   * @throws ImgctlError NAME_INVALID
   */
  open(location: RepositoryLocation): Repository
  /** Ends the client's connections; what is under way fails. */
  close(): Promise<void>
}

/** A client of OCI registries. https://github.com/opencontainers/distribution-spec/blob/main/spec.md */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const dispatcher = options.dispatcher ?? createHttpDispatcher()
  const settings: ConnectionSettings = {
    dispatcher,
    userAgent: options.userAgent ?? 'imgctl',
    retry: {
      ...DEFAULT_RETRY,
      ...options.retry,
      ...(options.onRetry ? { onRetry: options.onRetry } : {}),
    },
    timeouts: { idleMs: IDLE_TIMEOUT_MS, commitMs: COMMIT_TIMEOUT_MS, ...options.timeouts },
  }
  return {
    open: (location) => openRepository(new Connection(location, settings)),
    close: async () => {
      if (!options.dispatcher) await dispatcher.destroy()
    },
  }
}

function openRepository(connection: Connection): Repository {
  const manifests = new Manifests(connection)
  const blobs = new Blobs(connection)
  const uploads = new BlobUploads(connection)
  return {
    location: connection.location,
    blobSize: (...of) => blobs.blobSize(...of),
    readBlob: (...of) => blobs.readBlob(...of),
    writeBlob: (...of) => uploads.writeBlob(...of),
    writeStream: (...of) => uploads.writeStream(...of),
    mountBlob: (...of) => uploads.mountBlob(...of),
    readManifest: (...of) => manifests.readManifest(...of),
    manifestDigest: (...of) => manifests.manifestDigest(...of),
    writeManifest: (...of) => manifests.writeManifest(...of),
    deleteManifest: (...of) => manifests.deleteManifest(...of),
  }
}
