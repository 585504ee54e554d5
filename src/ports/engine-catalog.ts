import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'

/** An image as the engine lists it. Names are in docker's short form: `app:1`, `localhost/app:1`. */
export interface ListedImage {
  readonly id: Digest
  /** The image it was made from, where the engine remembers one. */
  readonly parentId: Digest | undefined
  readonly tags: readonly string[]
  /** `app@sha256:...`: what registries called it. */
  readonly digests: readonly string[]
  /** RFC 3339. */
  readonly createdAt: string
  /** Bytes as the engine counts them: unpacked layers, content and snapshots, or both. */
  readonly size: number
  readonly labels: Readonly<Record<string, string>>
}

/** Filters that every engine applies itself, each with the values that all must hold. */
export interface CatalogQuery {
  /** Also the unnamed images that others were made from. */
  readonly intermediate?: boolean
  /** Only images without a name, or only those with one. */
  readonly dangling?: boolean
  /** `key` or `key=value`. */
  readonly labels?: readonly string[]
  /** Only images that are older, or newer, than this one. */
  readonly before?: string
  readonly since?: string
}

/** A container, running or not, as far as it matters to images. */
export interface EngineContainer {
  readonly id: string
  readonly name: string
  readonly imageId: Digest | undefined
  readonly running: boolean
}

export interface EngineCatalog {
  /** The newest first. @throws ImgctlError IMAGE_NOT_FOUND for `before` and `since` */
  listImages(query: CatalogQuery, signal?: AbortSignal): Promise<ListedImage[]>
  /**
   * All that the engine says of an image, in its own words.
   *
   * @param platform one of an index; without it the engine's own choice
   * @throws ImgctlError IMAGE_NOT_FOUND, NAME_INVALID; UNSUPPORTED when the engine cannot choose a platform
   */
  describeImage(
    reference: string,
    signal?: AbortSignal,
    platform?: Platform,
  ): Promise<Readonly<Record<string, unknown>>>
}

export interface EngineContainers {
  /** Every container of the engine, the stopped ones too. */
  containers(signal?: AbortSignal): Promise<EngineContainer[]>
}

export interface EngineDisk {
  /** Bytes that all images take together, what they share counted once (Podman: as often as it is shared). */
  imageBytes(signal?: AbortSignal): Promise<number>
}

export interface EngineNaming {
  /**
   * Gives an image one more name; a name that is another image's moves.
   *
   * @param target `latest` when it has no tag
   * @throws ImgctlError IMAGE_NOT_FOUND; NAME_INVALID
   */
  nameImage(source: string, target: string, signal?: AbortSignal): Promise<void>
}

/** What a removal did: names in docker's short form. */
export interface RemovedImage {
  readonly untagged: readonly string[]
  readonly deleted: readonly Digest[]
}

export interface EngineRemoval {
  /**
   * Takes one name from an image, and deletes the image when it was the last; by id it deletes an image with one
   * name or none. Never forced.
   *
   * @param parents also deletes the unnamed images that it was made from and that nothing else needs
   * @throws ImgctlError IMAGE_NOT_FOUND; CONFLICT when a container or another image needs it, or an id has several
   *   names
   */
  removeImage(
    reference: string,
    options: { readonly parents: boolean },
    signal?: AbortSignal,
  ): Promise<RemovedImage>
}
