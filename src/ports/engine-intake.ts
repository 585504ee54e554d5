import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'
import type { EngineAuth, EngineLayerProgress } from './engine-push.ts'

export interface PullOptions {
  /** The engine's own when absent. */
  readonly platform?: Platform
  /** false: the registry speaks plain HTTP. Docker engines decide that themselves; Podman is told. */
  readonly secure?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: EngineLayerProgress) => void
}

/** What a pull brought. */
export interface PulledImage {
  readonly id: Digest
  /**
   * Of the manifest or index, as the registry names it. Docker says it; Podman knows an image by every digest that it
   * ever had in the repository, and one of them is meant. At least one.
   */
  readonly digests: readonly Digest[]
  /** false: the engine had it. */
  readonly isNew: boolean
  readonly platform: Platform
}

export interface EnginePull {
  /**
   * Pulls one image, and answers what the engine then has under that name.
   *
   * @param reference with a tag or a digest
   * @throws ImgctlError IMAGE_NOT_FOUND, AUTH_REQUIRED, FORBIDDEN, RATE_LIMITED, REGISTRY_ERROR, ARCH_MISMATCH;
   *   REGISTRY_UNREACHABLE when the engine cannot reach the registry; DISK_FULL; ENGINE_UNREACHABLE; ENGINE_ERROR
   */
  pullImage(reference: string, auth: EngineAuth | undefined, options: PullOptions): Promise<PulledImage>
}

/** What is changed of an image's config while it is made: Dockerfile instructions, `CMD ["/app"]`. */
export interface ImageChanges {
  readonly changes: readonly string[]
  readonly message?: string
}

export interface ImportRequest extends ImageChanges {
  /** A tar of a file system, plain or compressed; or where the engine shall fetch one. */
  readonly source: Readable | URL
  /** No name when absent. */
  readonly target?: string
  readonly platform?: Platform
}

export interface EngineImport {
  /**
   * Makes an image of one layer. The source is read to its end, or destroyed.
   *
   * @throws ImgctlError ARCHIVE_INVALID when it is no tar or a cut off one; USAGE for a change that is none;
   *   DISK_FULL; what the source was destroyed with
   */
  importImage(request: ImportRequest, signal?: AbortSignal): Promise<Digest>
}

export interface CommitRequest extends ImageChanges {
  readonly container: string
  readonly target?: string
  readonly author?: string
  /** Hold the container's processes meanwhile. */
  readonly pause: boolean
}

export interface EngineCommit {
  /** Makes an image of a container's files. @throws ImgctlError NOT_FOUND, NAME_INVALID; USAGE for a change that is none */
  commitContainer(request: CommitRequest, signal?: AbortSignal): Promise<Digest>
}

/** An image that a registry offers. Text in it is untrusted. */
export interface FoundImage {
  readonly name: string
  readonly description: string
  readonly stars: number
  readonly official: boolean
}

export interface SearchQuery {
  readonly term: string
  readonly limit: number
  readonly isOfficial?: boolean
  readonly minStars?: number
}

export interface EngineSearch {
  /** Searches Docker Hub, or the registry that the term begins with. @throws ImgctlError REGISTRY_UNREACHABLE ... */
  searchImages(query: SearchQuery, signal?: AbortSignal): Promise<FoundImage[]>
}
