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

/** One thing in a build context. */
export interface SentEntry {
  /** Relative to the context, with slashes. */
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'fifo'
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  /** Bytes of a file. */
  readonly size: number
  /** Where a symlink leads, as it says; of a hard link the path of an earlier entry. */
  readonly target?: string
  /** The bytes of a file. Nothing else is read. */
  read(): AsyncIterable<Uint8Array>
}

/** Which part of a folder a builder wants. Paths have slashes, and may be patterns of an ignore file. */
export interface SentSelection {
  /** With what they lead to when they are links; everything when absent. */
  readonly only?: readonly string[] | undefined
  readonly except?: readonly string[]
}

/** A folder that BuildKit fetches from, as far as it does not know it yet. */
export interface SentFolder {
  /** Folders before what is in them, each folder in the order of its names' bytes. */
  entries(selection: SentSelection): AsyncIterable<SentEntry>
}

/** The files of a build. Opened when the builder is chosen: one of the two ways is used. */
export interface BuildFiles {
  /** With the Dockerfile in it. Read to its end or until the build is over, and destroyed. */
  tar(): Readable
  /** What `COPY .` sees, and nothing else. */
  readonly folder: SentFolder
  /** The name of the ignore file that leaves a path out; undefined when none does. */
  ignoredBy(path: string): string | undefined
  /** Tells this folder from others of this machine: its path. The engine keeps what it fetched under it. */
  readonly id: string
}

export interface BuildRequest {
  readonly files: BuildFiles
  readonly dockerfile: {
    /** Its name in the tar. */
    readonly name: string
    /** Its own name, without a folder. */
    readonly fileName: string
    readonly content: Uint8Array
    /** What the user calls it, for messages: `docker/Dockerfile`. */
    readonly shownAs?: string
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
  /**
   * Bytes of the context that the engine took so far; at most one event a second, and one at the end. BuildKit takes
   * what it does not have, maybe nothing, and may come more than once.
   */
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
