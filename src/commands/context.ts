import type { LoginStore, NewLogin } from '../auth/login-store.ts'
import type { Target } from '../auth/session.ts'
import type { ProfileStore } from '../config/profiles.ts'
import type { CompletedCommand } from '../operations/completion/command.ts'
import type { BlobCache, CacheStore } from '../ports/blob-cache.ts'
import type { CredentialPlace, Session } from '../ports/credentials.ts'
import type { Probes } from '../ports/diagnosis.ts'
import type { Engine, EngineChoice } from '../ports/engine.ts'
import type { EngineBuild } from '../ports/engine-build.ts'
import type { Issuer, OidcSettings } from '../ports/login.ts'
import type { OpenRepository, TransferTuning } from '../ports/registry.ts'
import type { RegistryCredentialsSource } from '../ports/registry-credentials.ts'
import type { Server } from '../ports/server.ts'
import type { ServerData } from '../ports/server-data.ts'
import type { ServerUsers } from '../ports/server-users.ts'
import type { UploadJournal } from '../ports/upload-journal.ts'
import type { ChosenSettings } from '../server/settings.ts'
import type { RunningServer } from '../server/start.ts'
import type { Choice } from '../terminal/prompt.ts'
import type { Streams } from '../terminal/streams.ts'

/** The options that every command has. */
export interface GlobalFlags {
  readonly profile?: string
  readonly server?: string
  readonly organization?: string
  /** False after `--no-input`. */
  readonly input: boolean
  readonly debug?: boolean
  readonly caFile?: string
  readonly insecure?: boolean
  readonly plainHttp?: boolean
}

/** Who is logged in where. */
export interface LoginParts {
  readonly profiles: ProfileStore
  /** @throws ImgctlError USAGE for a store that there is not */
  readonly logins: () => Promise<LoginStore>
  /** Who logs users in for a server. */
  readonly issuer: (settings: OidcSettings, server: string, signal: AbortSignal) => Promise<Issuer>
}

/** Which server a command talks to, and as whom. */
export interface SessionParts {
  /** The server that is meant, whether anybody is logged in to it or not. */
  readonly target: () => Promise<Target>
  /** @throws ImgctlError AUTH_REQUIRED when there is no login for the server that is meant */
  readonly session: () => Promise<Session>
  /** The API of the server that is meant, with the session's key or token. */
  readonly server: () => Promise<Server>
  /** The API of any server with any key or token, and the organization that was named for this command. */
  readonly connect: (server: string, token: string | undefined) => Promise<Server>
  /** Where a login goes: the server, and the profile that it makes or changes. */
  readonly loginTarget: () => Promise<{ readonly server: string; readonly profile: string }>
  /** Keeps a login that the server accepted, and makes its profile the active one. */
  readonly storeLogin: (
    server: string,
    login: NewLogin,
    profile?: string,
  ) => Promise<{ readonly profile: string; readonly place: CredentialPlace }>
}

/**
 * What a command may use. Values are free; functions cost something when they are called, and nothing before:
 * no disk, network, engine or library is touched until then. A command declares the part that it needs.
 */
export interface CommandContext extends LoginParts, SessionParts {
  readonly version: string
  /** Node's version, and the system it runs on. */
  readonly runtime: { readonly node: string; readonly platform: string }
  readonly streams: Streams
  /** Aborts on SIGINT and SIGTERM. Give it to every call that waits. */
  readonly signal: AbortSignal
  readonly flags: GlobalFlags
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where `serve` keeps its data unless it is told otherwise. */
  readonly serverDataDir: string
  /** The engine that was chosen, or where the environment and docker's contexts say. */
  readonly engine: (choice: EngineChoice) => Promise<Engine & EngineBuild>
  readonly openRepository: (tuning?: TransferTuning) => Promise<OpenRepository>
  readonly blobCache: () => Promise<BlobCache>
  /** Notes of uploads that were broken off. */
  readonly uploadJournal: () => Promise<UploadJournal>
  readonly cacheStore: () => Promise<CacheStore>
  /** What docker has for registries. */
  readonly registryCredentials: () => Promise<RegistryCredentialsSource>
  /** @throws ImgctlError UNSUPPORTED when this Node cannot run the server; and as startServer */
  readonly startServer: (settings: ChosenSettings) => Promise<RunningServer>
  /** The data folder of a server on this machine. @throws ImgctlError UNSUPPORTED as startServer */
  readonly serverData: (dataDir: string) => Promise<ServerData>
  /** The users of a server on this machine. @throws ImgctlError UNSUPPORTED as startServer */
  readonly serverUsers: (dataDir: string) => Promise<ServerUsers>
  /** What SIGHUP does while the command runs. */
  readonly onHangup: (action: () => void) => void
  /** Every command, for completion scripts. */
  readonly completedCommands: () => Promise<readonly CompletedCommand[]>
  /** What `imgctl doctor` looks at. */
  readonly probes: (engine: EngineChoice) => Promise<Probes>
  /** @throws ImgctlError INPUT_REQUIRED naming `flag` when nobody can be asked */
  readonly confirm: (question: string, flag: string) => Promise<boolean>
  /** A secret, typed unseen. @throws as `confirm` */
  readonly askSecret: (question: string, flag: string) => Promise<string>
  /** One of several, by its value. @throws as `confirm` */
  readonly choose: <V extends string>(
    question: string,
    choices: readonly Choice<V>[],
    flag: string,
  ) => Promise<V>
  /** Replaces a file as a whole. @throws ImgctlError FILE_UNREADABLE, DISK_FULL */
  readonly writeFile: (path: string, text: string) => Promise<void>
  /** Lets go of connections. */
  readonly close: () => Promise<void>
}
