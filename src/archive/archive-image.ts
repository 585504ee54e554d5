import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { ImageConfig } from '../oci/image-config.ts'
import type { Descriptor, Manifest } from '../oci/manifest.ts'
import type { Platform } from '../oci/platform.ts'
import type { Compression } from './compression.ts'
import type { ExpansionLimits } from './decompress.ts'

/** What is known of a layer in an archive without reading it. */
export interface LayerDescription {
  /** The entry or file that holds it, links followed: equal for layers that are stored once. */
  readonly path: string
  readonly diffID: Digest
  readonly compression: Compression
  /** Bytes as they are stored. */
  readonly storedSize: number
  /**
   * Present when the archive promises the digest of the stored bytes (a manifest names them, or they are in
   * `blobs/<algorithm>/<hex>`): a registry can be asked for the blob, and it can be sent as it is. A
   * compressed layer without descriptor can be sent as it is too, its digest is then known only at the end.
   */
  readonly descriptor?: Descriptor
}

export interface OpenLayer {
  /** Bytes to leave out at the start, to go on with a transfer. They are still read, to be verified. */
  readonly offset?: number
  readonly signal?: AbortSignal
}

/** A layer that can be read, as often as needed, while its archive is open. */
export interface ArchiveLayer extends LayerDescription {
  /**
   * The stored bytes. At its end the stream errors with DIGEST_MISMATCH when they do not hash to the
   * descriptor's digest or, without a descriptor, when the uncompressed bytes do not hash to the diffID.
   */
  open(options?: OpenLayer): Promise<Readable>
  /** The same bytes without new memory for each chunk: it is to be used up before the next one is asked for. */
  chunks(signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Bytes of the files in it, as docker history counts them, see layerContentSize. */
  contentSize(signal?: AbortSignal): Promise<number>
}

/** The manifest as the archive holds it: sent unchanged, it keeps the image's digest. */
export interface ArchiveManifest {
  readonly bytes: Uint8Array
  readonly digest: Digest
  readonly mediaType: string
  readonly parsed: Manifest
}

/** One image for one platform. Its config is verified; its layers are verified when they are read. */
export interface ArchiveImage<Layer extends LayerDescription = ArchiveLayer> {
  /** Names that are references with a tag, as docker prints them: `app:1.0`. */
  readonly repoTags: readonly string[]
  /** Every name that the archive gives the image, as it is written there. Untrusted text. */
  readonly names: readonly string[]
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
  readonly configDigest: Digest
  readonly platform: Platform
  /** Lowest first; as many as the config has diffIDs. */
  readonly layers: readonly Layer[]
  /** Present for OCI layouts, and for docker-save archives that are OCI layouts too (Docker 25 and later). */
  readonly manifest?: ArchiveManifest
}

export interface VerifyOptions extends ExpansionLimits {
  readonly signal?: AbortSignal
  /** Bytes gone through, and all that there are. Called for every chunk. */
  readonly onProgress?: (bytes: number, total: number) => void
}

export interface OpenedArchive {
  readonly kind: 'docker-save' | 'oci-layout'
  /** Every complete image, for every platform: `selectImage` chooses. At least one. */
  readonly images: readonly ArchiveImage[]
  /** Reads everything that a digest vouches for, see verifyArchive. */
  verify(options?: VerifyOptions): Promise<void>
  /**
   * The archive as one uncompressed tar, as it was written; of a folder a tar of its files. Each chunk is to be used
   * up before the next one is asked for.
   */
  tar(signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Bytes of `tar`. */
  readonly tarSize: number
  close(): Promise<void>
}
