import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'

/** A blob that a layer became, and the repositories of a registry that had it. */
export interface KnownBlob {
  readonly descriptor: Descriptor
  /** Paths without the host, latest first. */
  readonly repositories: readonly string[]
}

/** The manifest that an image has in the registry. */
export interface LearnedImage {
  readonly config: Digest
  readonly manifest: Descriptor
  /** The bytes of both, as far as they are known. */
  readonly documents: readonly Uint8Array[]
}

/** What one push learned. */
export interface LearnedPush {
  /** host or host:port */
  readonly registry: string
  readonly repository: string
  /** By the digest of the uncompressed layer. */
  readonly blobs: ReadonlyMap<Digest, Descriptor>
  readonly image: LearnedImage | undefined
}

/**
 * What earlier pushes learned: the compressed blobs that a layer became, where they are, configs and manifests.
 * It is a hint only: a registry is always asked whether it has a blob. Losing it costs time, never correctness, so
 * its failures are never errors.
 */
export interface BlobCache {
  /** The blobs that a layer became, or the manifests that a config was in, those of the latest push first. */
  find(content: Digest, registry: string): Promise<readonly KnownBlob[]>
  /** The config or manifest with this digest: exactly the bytes that the digest names. */
  document(digest: Digest): Promise<Uint8Array | undefined>
  remember(learned: LearnedPush): Promise<void>
}

/** What `imgctl cache info` says. Sizes are bytes. */
export interface CacheInfo {
  readonly folder: string
  readonly layers: number
  readonly images: number
  readonly uploads: number
  readonly size: number
  /** Milliseconds since 1970: when the entry was used that was not used for the longest time. */
  readonly oldest: number | undefined
}

export interface PrunedCache {
  readonly layers: number
  readonly images: number
  readonly uploads: number
  /** Bytes. */
  readonly freed: number
}

/** The cache as its owner sees it. */
export interface CacheStore {
  info(): Promise<CacheInfo>
  /** @param before removes what was not used since, milliseconds since 1970; undefined: everything */
  prune(before: number | undefined): Promise<PrunedCache>
  /** Forgets the uploads to one registry: who logs out leaves no URL behind that lets somebody in. */
  forgetUploads(registry: string): Promise<void>
}
