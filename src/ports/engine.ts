import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'
import type {
  EngineCatalog,
  EngineContainers,
  EngineDisk,
  EngineNaming,
  EngineRemoval,
} from './engine-catalog.ts'
import type { EngineCommit, EngineImport, EnginePull, EngineSearch } from './engine-intake.ts'
import type { EngineExports, EngineHistory, EngineLoad } from './engine-transfer.ts'
import type { RegistryCredentials } from './registry-credentials.ts'

/** What the user said on the command line; it goes before everything in the environment. */
export interface EngineChoice {
  /** `--host`: an address as in DOCKER_HOST. */
  readonly host?: string
  /** `--context`: the name of a docker context. */
  readonly context?: string
}

/** What kind of engine answers, and how it keeps images: that decides the cheapest transport. */
export interface EngineInfo {
  readonly product: 'docker' | 'podman'
  readonly version: string
  readonly apiVersion: string
  /** `classic`: a graph driver, layers uncompressed. `containerd`: blobs as they were pulled or built. */
  readonly store: 'classic' | 'containerd'
  readonly platform: Platform
  /** Where it was reached: `unix:///var/run/docker.sock`. */
  readonly host: string
}

/** One platform of an index, as the engine knows it. */
export interface EngineVariant {
  readonly platform: Platform
  /** Of its manifest. */
  readonly digest: Digest
  /** False: the index names it, and its content was never pulled. */
  readonly isPresent: boolean
}

/** An image as the engine describes it, for one platform. */
export interface EngineImage {
  /** Of the config on the classic store and in Podman; of the manifest or index on the containerd store. */
  readonly id: Digest
  readonly platform: Platform
  /** Of an index: its platforms, without attestations. None for an image of one platform, or where no engine tells. */
  readonly variants: readonly EngineVariant[]
  /** Bytes as the engine counts them: unpacked layers; on the containerd store the compressed content. */
  readonly size: number
  readonly repoTags: readonly string[]
  readonly diffIDs: readonly Digest[]
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
}

/** Credentials for one registry, sent to the engine in `X-Registry-Auth`. */
export type EngineAuth = RegistryCredentials & { readonly registry: string }

/** What the engine says of one layer while it pushes or pulls. Unknown byte counts are left out. */
export interface EngineLayerProgress {
  readonly layer: string
  readonly status: string
  readonly current?: number
  readonly total?: number
}

export interface EngineImages {
  info(signal?: AbortSignal): Promise<EngineInfo>
  /**
   * @param platforms of an index, the first of them whose content is here is described; the engine's own choice when
   *   none is, or the engine cannot choose. So the answer's platform is to be looked at.
   * @throws ImgctlError IMAGE_NOT_FOUND, ENGINE_UNREACHABLE, ENGINE_ERROR
   */
  inspectImage(reference: string, signal?: AbortSignal, platforms?: readonly Platform[]): Promise<EngineImage>
}

export interface EngineExport {
  /**
   * The docker-save archive (tar) of one image. Destroying the stream aborts the engine's request.
   *
   * @param platform one of an index; without it what the engine has
   * @throws ImgctlError IMAGE_NOT_FOUND; BLOB_MISSING when content of the image is not here; UNSUPPORTED when the
   *   engine cannot choose a platform
   */
  exportImage(reference: string, signal?: AbortSignal, platform?: Platform): Promise<Readable>
}

export interface EnginePush {
  /**
   * @throws ImgctlError IMAGE_NOT_FOUND; UNSUPPORTED when the image has no tag of its own, because engines delete
   *   an image with its last tag
   */
  tagImage(source: string, target: string, signal?: AbortSignal): Promise<void>
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

export interface Engine
  extends EngineImages,
    EngineExport,
    EngineExports,
    EngineLoad,
    EngineHistory,
    EnginePush,
    EnginePull,
    EngineCatalog,
    EngineContainers,
    EngineDisk,
    EngineNaming,
    EngineRemoval,
    EngineImport,
    EngineCommit,
    EngineSearch {}
