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
import type { EngineLayers } from './engine-layers.ts'
import type { EnginePush } from './engine-push.ts'
import type { EngineExports, EngineHistory, EngineLoad } from './engine-transfer.ts'

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
  /** How many layers that are not wanted may lie above one that pickLayers shall read. Absent: it cannot pick. */
  readonly passesOver?: number
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

export interface EngineImages {
  /** Asked once: an engine stays what it is. */
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

export interface Engine
  extends EngineImages,
    EngineExport,
    EngineExports,
    EngineLoad,
    EngineLayers,
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
