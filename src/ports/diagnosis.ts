import type { ServerConfig } from '../contract/server.ts'
import type { Session } from './credentials.ts'
import type { EngineInfo } from './engine.ts'
import type { OpenRepository } from './registry.ts'
import type { Server } from './server.ts'

/** A place where an engine may be, and what was found there. */
export interface SurveyedPlace {
  /** Who says that it may be there: `DOCKER_HOST`, `docker context 'colima'`, `Podman`. */
  readonly origin: string
  /** As DOCKER_HOST would hold it. */
  readonly host: string
  readonly found: EngineInfo | EngineProblem
}

/** Why a place has no engine that can be used. */
export interface EngineProblem {
  readonly reason: string
  /** `absent`: there is nothing at all, as at most of the usual places. */
  readonly kind: 'absent' | 'denied' | 'unreachable'
}

/** The folder or file that holds keys, and what its permissions are. */
export interface PrivatePath {
  readonly path: string
  /** The permission bits, and those that it should have. */
  readonly mode: number
  readonly wanted: number
}

export interface FoundCredentialStore {
  readonly kind: 'keychain' | 'file'
  /** Why the keychain cannot be used. */
  readonly problem?: string
  /** Of the file, where it is the store. */
  readonly paths: readonly PrivatePath[]
}

export interface ProxySettings {
  /** Each variable in force with its value, without any password. */
  readonly variables: readonly { readonly name: string; readonly value: string }[]
  /** Variables that name no proxy that can be used. */
  readonly unusable: readonly string[]
  /** The variable whose proxy connections to the server go through; undefined: none. */
  readonly used: string | undefined
}

/** A credential helper of docker's. */
export interface HelperProgram {
  readonly program: string
  /** Undefined: it is not on PATH. */
  readonly path: string | undefined
}

export interface DiskSpace {
  readonly folder: string
  readonly freeBytes: number
}

/** What `imgctl doctor` looks at. Nothing is changed by looking, and no answer holds a secret. */
export interface Probes {
  readonly runtime: { readonly node: string; readonly platform: string }
  /** The Node that `imgctl serve` needs, when this one is too old for it. */
  readonly newerNodeForServer: string | undefined
  /** All places where an engine may be, in the order they are tried. @throws ImgctlError for unusable settings */
  engines(signal: AbortSignal): Promise<readonly SurveyedPlace[]>
  /** The server that is meant. @throws ImgctlError USAGE, PROFILE_NOT_FOUND, FILE_UNREADABLE */
  target(): Promise<{ readonly server: string; readonly isLocal: boolean }>
  /** What the server says of itself, with no key. */
  serverConfig(signal: AbortSignal): Promise<ServerConfig>
  /**
   * The time that the server says it is, and the time here when it said so, in milliseconds since 1970; undefined when
   * the server does not say.
   */
  serverClock(signal: AbortSignal): Promise<{ readonly server: number; readonly here: number } | undefined>
  /** @throws ImgctlError AUTH_REQUIRED */
  session(): Promise<Session>
  /** The server, with the session's key. */
  server(): Promise<Server>
  openRepository(): Promise<OpenRepository>
  /** Where logins are kept. */
  credentialStore(): Promise<FoundCredentialStore>
  /** `others`: what else there is with credentials in it, by name: `DOCKER_AUTH_CONFIG`, Podman's files. */
  dockerCredentials(): Promise<{
    readonly file: string
    readonly helpers: readonly HelperProgram[]
    readonly others: readonly string[]
  }>
  proxy(): Promise<ProxySettings>
  /** NODE_EXTRA_CA_CERTS: undefined when it is not set. */
  extraCertificates(): Promise<{ readonly file: string; readonly isReadable: boolean } | undefined>
  /** Whether NODE_TLS_REJECT_UNAUTHORIZED=0 is set. */
  readonly trustsEveryCertificate: boolean
  /** Of the server's data; undefined when there is no such folder. */
  dataDisk(): Promise<DiskSpace | undefined>
}
