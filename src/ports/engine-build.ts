import type { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import type { Platform } from '../oci/platform.ts'

/** Credentials for one registry: a name and password, or an identity token as `docker login` may keep it. */
export type BuildCredentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }

/** A secret for `RUN --mount=type=secret,id=ID`. Read only when the build asks for it. */
export interface BuildSecret {
  readonly id: string
  read(): Promise<Uint8Array>
}

/** An SSH agent for `RUN --mount=type=ssh,id=ID`; docker's name for the only one is `default`. */
export interface BuildSshAgent {
  readonly id: string
  readonly socketPath: string
}

export interface BuildRequest {
  /**
   * Makes the tar, with the Dockerfile in it, for the builder that was chosen; called once. The tar is read to its
   * end or until the build is over, and destroyed.
   */
  readonly context: (builder: Builder) => Readable
  readonly dockerfile: {
    /** Its name in the tar. */
    readonly name: string
    /** What the user calls it, for messages: `docker/Dockerfile`. */
    readonly shownAs?: string
    /** Lets a message name the line where the engine does not. */
    readonly text?: string
  }
  /** The images that its FROM lines name. The classic builder is given the credentials for their registries. */
  readonly baseImages?: readonly string[]
  /** What in it only BuildKit understands, in words: `RUN --mount=type=cache (line 7)`. */
  readonly needsBuildKit?: readonly string[]
  readonly tags?: readonly string[]
  /** The engine's own platform when absent. */
  readonly platform?: Platform
  readonly target?: string
  readonly buildArgs?: Readonly<Record<string, string>>
  readonly labels?: Readonly<Record<string, string>>
  readonly noCache?: boolean
  /** Asks the registries for newer base images. */
  readonly pull?: boolean
  readonly cacheFrom?: readonly string[]
  readonly secrets?: readonly BuildSecret[]
  readonly ssh?: readonly BuildSshAgent[]
  /**
   * The credentials for one registry host, `registry.example:5000`, and for no other; `docker.io` for Docker Hub.
   * Asked while the build runs, for each registry that the engine wants to log in to.
   */
  credentialsFor?(host: string): Promise<BuildCredentials | undefined>
  /** `auto` when absent: BuildKit where the engine has it. */
  readonly builder?: 'auto' | Builder
}

export type Builder = 'buildkit' | 'classic'

/** What happens while an image is built. Text in it has its control characters made visible. */
export type BuildEvent =
  /** The first event: who builds. */
  | { readonly kind: 'builder'; readonly builder: Builder }
  /** Bytes of the context that the engine took so far; at most one event a second, and one at the end. */
  | { readonly kind: 'context'; readonly bytes: number; readonly done: boolean }
  /** Steps are numbered from 1 in the order in which they start. Each ends with one of the other states. */
  | {
      readonly kind: 'step'
      readonly step: number
      readonly name: string
      readonly state: 'started' | 'cached' | 'done' | 'failed' | 'cancelled'
    }
  /** One line of what a step wrote, without the newline. Values of the request's secrets are masked. */
  | {
      readonly kind: 'log'
      readonly step: number
      readonly stream: 'stdout' | 'stderr'
      readonly text: string
    }
  /** Bytes of one part of a step, a layer that is pulled for example. Unknown totals are left out. */
  | {
      readonly kind: 'progress'
      readonly step: number
      readonly part: string
      readonly current: number
      readonly total?: number
    }
  | {
      readonly kind: 'warning'
      readonly message: string
      /** In the Dockerfile, from 1. */
      readonly line?: number
      readonly url?: string
    }

export interface BuildOptions {
  /** Aborting cancels the build in the engine before the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: BuildEvent) => void
}

export interface BuildResult {
  /** The id that the engine said and that its inspect confirmed. */
  readonly imageId: Digest
  readonly builder: Builder
}

export interface EngineBuild {
  /**
   * Builds an image in the engine. It succeeds only when the engine has the image that it says it built.
   *
   * @throws ImgctlError BUILD_FAILED with the failing step, its exit code, and its last lines in `context`;
   *   IMAGE_NOT_FOUND, AUTH_REQUIRED or REGISTRY_UNREACHABLE for a base image; DISK_FULL; UNSUPPORTED when the
   *   builder cannot do what the request needs; ENGINE_UNREACHABLE; ENGINE_ERROR. What the context, a secret or
   *   `credentialsFor` throws comes through as it is.
   */
  build(request: BuildRequest, options?: BuildOptions): Promise<BuildResult>
}
