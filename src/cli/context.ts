import { FileCredentialStore } from '../auth/file-credentials.ts'
import { resolveSession, resolveTarget, type Target } from '../auth/session.ts'
import { configDir, serverDataDir } from '../config/paths.ts'
import { ProfileStore } from '../config/profiles.ts'
import { ImgctlError } from '../errors/error.ts'
import type { CredentialStore, Session } from '../ports/credentials.ts'
import type { Engine } from '../ports/engine.ts'
import type { OpenRepository } from '../ports/registry.ts'
import type { Server } from '../ports/server.ts'
import { askSecret, askYesNo } from '../terminal/prompt.ts'
import type { Streams } from '../terminal/streams.ts'
import type { Host } from './host.ts'
import { once } from './once.ts'
import { VERSION } from './version.ts'

/** The options that every command has. */
export interface GlobalFlags {
  readonly profile?: string
  readonly server?: string
  /** False after `--no-input`. */
  readonly input: boolean
  readonly debug?: boolean
}

/**
 * What a command may use. Values are free; functions cost something when they are called, and nothing before:
 * no disk, network, engine or library is touched until then. A command declares the part that it needs.
 */
export interface CommandContext {
  readonly version: string
  /** Node's version, and the system it runs on. */
  readonly runtime: Host['runtime']
  readonly streams: Streams
  /** Aborts on SIGINT and SIGTERM. Give it to every call that waits. */
  readonly signal: AbortSignal
  readonly flags: GlobalFlags
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where `serve` keeps its data unless it is told otherwise. */
  readonly serverDataDir: string
  readonly profiles: ProfileStore
  readonly credentials: () => CredentialStore
  /** The server that is meant, whether anybody is logged in to it or not. */
  readonly target: () => Promise<Target>
  /** @throws ImgctlError AUTH_REQUIRED when there is no key for the server that is meant */
  readonly session: () => Promise<Session>
  /** The API of the server that is meant, with the session's key. */
  readonly server: () => Promise<Server>
  /** The API of any server with any key. */
  readonly connect: (server: string, apiKey: string | undefined) => Promise<Server>
  /** The engine at `host` (`unix://`, `tcp://`, `ssh://`), or where the environment and docker's context say. */
  readonly engine: (host?: string) => Promise<Engine>
  readonly openRepository: () => Promise<OpenRepository>
  /** @throws ImgctlError INPUT_REQUIRED naming `flag` when nobody can be asked */
  readonly confirm: (question: string, flag: string) => Promise<boolean>
  /** A secret, typed unseen. @throws as `confirm` */
  readonly askSecret: (question: string, flag: string) => Promise<string>
  /** Lets go of connections. */
  readonly close: () => Promise<void>
}

/** Puts the parts together, each when it is first asked for. */
export function createContext(host: Host, flags: GlobalFlags): CommandContext {
  const { environment, streams, signal } = host
  const folder = configDir(environment)
  const profiles = new ProfileStore(folder)
  const credentials = () => credentialStore(environment, folder)
  const input = { flags, environment }
  const closers: (() => Promise<void>)[] = []

  const dispatcher = once(async () => {
    const { createHttpDispatcher } = await import('../internal/http-dispatcher.ts')
    const made = createHttpDispatcher(environment)
    closers.push(() => made.destroy())
    return made
  })
  const connect = async (server: string, apiKey: string | undefined): Promise<Server> => {
    const [{ ServerClient }, { Transport }] = await Promise.all([
      import('../api/server-client.ts'),
      import('../api/transport.ts'),
    ])
    const userAgent = `imgctl/${VERSION}`
    return new ServerClient(new Transport({ server, apiKey, userAgent, dispatcher: await dispatcher() }))
  }
  const session = once(async () => resolveSession(input, await profiles.read(), credentials()))
  const requirePerson = (question: string, flag: string) => {
    if (flags.input && streams.interactive) return
    throw new ImgctlError('INPUT_REQUIRED', `an answer is needed: ${question}`, {
      hint: `answer with ${flag}`,
    })
  }
  return {
    version: VERSION,
    runtime: host.runtime,
    streams,
    signal,
    flags,
    environment,
    serverDataDir: serverDataDir(environment),
    profiles,
    credentials,
    target: async () => resolveTarget(input, await profiles.read()),
    session,
    server: once(async () => {
      const { server, apiKey } = await session()
      return connect(server, apiKey)
    }),
    connect,
    engine: async () => {
      throw new ImgctlError('UNSUPPORTED', 'engines are not connected yet')
    },
    openRepository: async () => {
      throw new ImgctlError('UNSUPPORTED', 'registries are not connected yet')
    },
    confirm: async (question, flag) => {
      requirePerson(question, flag)
      return askYesNo(streams, question, signal)
    },
    askSecret: async (question, flag) => {
      requirePerson(question, flag)
      return askSecret(streams, question, signal)
    },
    close: async () => {
      await Promise.all(closers.map((close) => close()))
    },
  }
}

function credentialStore(environment: Host['environment'], folder: string): CredentialStore {
  const wanted = environment['IMGCTL_CREDENTIAL_STORE']
  if (!wanted || wanted === 'file') return new FileCredentialStore(folder)
  throw new ImgctlError(
    'USAGE',
    `IMGCTL_CREDENTIAL_STORE is ${JSON.stringify(wanted)}: only file is supported`,
  )
}
