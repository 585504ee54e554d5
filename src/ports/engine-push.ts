import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'
import type { RegistryCredentials } from './registry-credentials.ts'

/** Credentials for one registry, sent to the engine in `X-Registry-Auth`. */
export type EngineAuth = RegistryCredentials & { readonly registry: string }

/** What the engine says of one layer while it pushes or pulls. Unknown byte counts are left out. */
export interface EngineLayerProgress {
  readonly layer: string
  readonly status: string
  readonly current?: number
  readonly total?: number
}

export interface EnginePush {
  /** The id of the image with this name; undefined when there is none. @throws ImgctlError ENGINE_UNREACHABLE, ENGINE_ERROR */
  imageId(reference: string, signal?: AbortSignal): Promise<Digest | undefined>
  /**
   * @param known the tags that the image has; without it the engine is asked
   * @throws ImgctlError IMAGE_NOT_FOUND; UNSUPPORTED when the image has no tag of its own, because engines delete
   *   an image with its last tag
   */
  tagImage(source: string, target: string, signal?: AbortSignal, known?: readonly string[]): Promise<void>
  /** Removes the tag only, never another tag or a parent. Does nothing when the tag is gone. */
  untagImage(target: string): Promise<void>
  /** Tags in the engine whose last part (after `:`) starts with `prefix`. */
  listTags(tagPrefix: string, signal?: AbortSignal): Promise<string[]>
  /**
   * Pushes `target` and answers the manifest digest that the engine reported.
   *
   * @throws ImgctlError REGISTRY_UNREACHABLE when the engine cannot reach the registry (another transport
   *   may); AUTH_REQUIRED, FORBIDDEN, RATE_LIMITED, REGISTRY_ERROR; DISK_FULL; ENGINE_UNREACHABLE when the engine
   *   dies meanwhile; ENGINE_ERROR (also for a stream that ends without proof)
   */
  pushImage(
    target: string,
    auth: EngineAuth | undefined,
    options: {
      /** false: the registry speaks plain HTTP. Docker engines decide that themselves; Podman is told. */
      readonly secure?: boolean
      /** Of an index: only this one goes, as an image of its own. UNSUPPORTED where the engine cannot. */
      readonly platform?: Platform
      readonly signal?: AbortSignal
      readonly onProgress?: (progress: EngineLayerProgress) => void
    },
  ): Promise<{ readonly digest: Digest }>
}
