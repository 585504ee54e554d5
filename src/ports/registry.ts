import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import type { RegistryCredentials } from './registry-credentials.ts'
import type { UploadRecord } from './upload-journal.ts'

/** Where a repository is, and how to be let in. */
export interface RepositoryLocation {
  /** host or host:port */
  readonly host: string
  /** false: plain HTTP, meant for loopback */
  readonly secure: boolean
  /** Path without the host: `default/team/app`. */
  readonly repository: string
  readonly credentials?: RegistryCredentials
  /** For credentials that end before the work may be done. */
  readonly renewal?: CredentialRenewal
}

export interface CredentialRenewal {
  /** When the location's credentials end, milliseconds since 1970. */
  readonly expiresAt: number
  renew(
    signal?: AbortSignal,
  ): Promise<{ readonly credentials: RegistryCredentials; readonly expiresAt: number }>
}

export interface ManifestContent {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

export interface BlobReader {
  /** Bytes of the blob when the repository has it, undefined when not. An error is never "not there". */
  blobSize(digest: Digest, signal?: AbortSignal): Promise<number | undefined>
  /**
   * The blob's bytes, verified: the stream errors with DIGEST_MISMATCH when they do not hash to `digest`. A cut
   * connection is gone on with. Destroy the stream when it is not read to its end.
   *
   * @throws ImgctlError BLOB_MISSING when the repository does not have it
   */
  readBlob(descriptor: Pick<Descriptor, 'digest' | 'size'>, signal?: AbortSignal): Promise<Readable>
}

export interface ManifestReader {
  /** @throws ImgctlError IMAGE_NOT_FOUND, DIGEST_MISMATCH, AUTH_REQUIRED ... */
  readManifest(reference: Digest | string, signal?: AbortSignal): Promise<ManifestContent>
  /** The digest of a tag or manifest, undefined when it is not there. */
  manifestDigest(reference: Digest | string, signal?: AbortSignal): Promise<Digest | undefined>
}

export interface WriteOptions {
  readonly signal?: AbortSignal
  /** Called with the bytes that went out since the last call, those of an earlier run at first; negative: sent again. */
  readonly onBytes?: (bytes: number) => void
  /** Where the upload is noted, so that a later run can go on with it. */
  readonly record?: UploadRecord
}

export interface BlobWriter {
  /**
   * Uploads a blob whose digest is known.
   *
   * @param open opens the bytes from `offset` on; called again when the transfer has to go on elsewhere
   */
  writeBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    open: (offset: number) => Readable | Promise<Readable>,
    options?: WriteOptions,
  ): Promise<void>
  /**
   * Uploads a stream whose digest and size are known only at its end (`finish` is called after the stream
   * ended). Chunks in flight are kept so that a failed chunk is sent again. The stream is destroyed at the end.
   *
   * @throws ImgctlError UPLOAD_LOST when the registry lost what it was sent: only a new stream can begin anew
   */
  writeStream(
    stream: Readable,
    finish: () => Pick<Descriptor, 'digest' | 'size'>,
    options?: WriteOptions,
  ): Promise<void>
  /** Asks the registry to link a blob of another of its repositories. False: upload it. */
  mountBlob(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean>
}

export interface ManifestWriter {
  /** @returns the digest that the registry confirmed (and that equals the digest of `bytes`) */
  writeManifest(
    reference: Digest | string,
    mediaType: string,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Digest>
  /**
   * Deletes a manifest or untags. Nothing happens when it is gone.
   *
   * @throws ImgctlError UNSUPPORTED when the registry deletes nothing, or no tags
   */
  deleteManifest(reference: Digest | string, signal?: AbortSignal): Promise<void>
}

/** One repository of one registry. Every failure names the registry, the method and the redacted URL. */
export interface Repository extends BlobReader, BlobWriter, ManifestReader, ManifestWriter {
  readonly location: RepositoryLocation
}

/** How a user wants blobs to be sent. */
export interface TransferTuning {
  /** Tries after the first, for each request and each chunk. */
  readonly retries?: number | undefined
  /** Bytes sent at once, where the registry and its proxies agree. */
  readonly chunkBytes?: number | undefined
  /** Of all uploads together. */
  readonly bytesPerSecond?: number | undefined
}

/** Without `secure` it is TLS, except on this machine and where the user chose plain HTTP. */
export type OpenRepository = (
  location: Omit<RepositoryLocation, 'secure'> & { readonly secure?: boolean | undefined },
) => Repository
