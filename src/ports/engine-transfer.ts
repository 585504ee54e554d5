import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'

export interface EngineExports {
  /**
   * The docker-save archive (tar) of some images, as `docker save` writes it. Destroying the stream aborts the
   * engine's request.
   *
   * @param platform one of an image of several; without it what the engine has
   * @throws ImgctlError IMAGE_NOT_FOUND; BLOB_MISSING when content of an image is not here; UNSUPPORTED when the engine cannot choose a platform
   */
  exportImages(
    references: readonly string[],
    options?: { readonly platform?: Platform; readonly signal?: AbortSignal },
  ): Promise<Readable>
}

/** What an engine says that it loaded: a name, or the id of an image without one. */
export type LoadedName = { readonly name: string } | { readonly id: Digest }

export interface EngineLoad {
  /**
   * Loads the images of a docker-save archive; of an OCI layout where the engine takes one. Each chunk of the tar is
   * sent before the next one is asked for.
   *
   * @throws ImgctlError ENGINE_ERROR (also for an answer that names no image), DISK_FULL, ENGINE_UNREACHABLE; what
   *   the tar throws
   */
  loadImages(tar: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<LoadedName[]>
}

/** A step of an image's history as the engine tells it. Text in it is untrusted. */
export interface EngineHistoryEntry {
  /** Of the image that the step made, where the engine still has it. */
  readonly id: Digest | undefined
  /** Milliseconds since 1970; undefined when the engine does not know. */
  readonly created: number | undefined
  readonly createdBy: string
  readonly comment: string
  /** Bytes, as the engine counts them: of files on the classic store, of disk on the containerd store. */
  readonly size: number
  readonly tags: readonly string[]
}

export interface EngineHistory {
  /**
   * Newest first.
   *
   * @param platform one of an index; without it the engine's own choice
   * @throws ImgctlError IMAGE_NOT_FOUND; UNSUPPORTED when the engine cannot choose a platform
   */
  imageHistory(reference: string, signal?: AbortSignal, platform?: Platform): Promise<EngineHistoryEntry[]>
}
