import type { Dispatcher } from 'undici'
import { createHttpDispatcher } from '../internal/http-dispatcher.ts'
import { isLoopback } from '../internal/loopback.ts'
import { RateLimit } from '../internal/rate-limit.ts'
import { DEFAULT_RETRY, type RetryPolicy } from '../internal/retry.ts'
import type { OpenRepository, Repository, TransferTuning } from '../ports/registry.ts'
import { Blobs } from './blob-reader.ts'
import { BlobUploads } from './blob-writer.ts'
import { Connection, type ConnectionSettings } from './connection.ts'
import { COMMIT_TIMEOUT_MS, IDLE_TIMEOUT_MS, SLOWEST_BYTES_PER_SECOND, type Timeouts } from './http.ts'
import { Manifests } from './manifests.ts'

export interface RegistryClientOptions {
  /**
   * Every request goes through it: also those to token servers and to where redirects lead. It stays the
   * caller's to close. Without it the client has a pool of its own, which honours the proxy environment.
   */
  readonly dispatcher?: Dispatcher
  readonly userAgent?: string
  /** Registries are spoken to over HTTP where nothing is said. */
  readonly plainHttp?: boolean
  readonly retry?: Partial<Omit<RetryPolicy, 'signal' | 'onRetry'>>
  readonly timeouts?: Partial<Timeouts>
  readonly tuning?: TransferTuning
  /** Told of each failure that is tried again, before the wait. */
  readonly onRetry?: NonNullable<RetryPolicy['onRetry']>
}

export interface RegistryClient {
  /**
   * One repository, with its own credentials and tokens. Nothing is sent yet. Open one per operation.
   *
   * @throws ImgctlError NAME_INVALID
   */
  open: OpenRepository
  /** Ends the client's connections; what is under way fails. */
  close(): Promise<void>
}

/** A client of OCI registries. https://github.com/opencontainers/distribution-spec/blob/main/spec.md */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const dispatcher = options.dispatcher ?? createHttpDispatcher()
  const { tuning = {} } = options
  const settings: ConnectionSettings = {
    tuning,
    rateLimit: tuning.bytesPerSecond === undefined ? undefined : new RateLimit(tuning.bytesPerSecond),
    dispatcher,
    userAgent: options.userAgent ?? 'imgctl',
    retry: {
      ...DEFAULT_RETRY,
      ...options.retry,
      ...(tuning.retries === undefined ? {} : { attempts: tuning.retries + 1 }),
      ...(options.onRetry ? { onRetry: options.onRetry } : {}),
    },
    timeouts: {
      idleMs: IDLE_TIMEOUT_MS,
      commitMs: COMMIT_TIMEOUT_MS,
      slowestBytesPerSecond: SLOWEST_BYTES_PER_SECOND,
      ...options.timeouts,
    },
  }
  return {
    open: (location) => {
      const secure = location.secure ?? !(options.plainHttp || isLoopback(location.host))
      return openRepository(new Connection({ ...location, secure }, settings))
    },
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
