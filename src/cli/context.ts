import { join } from 'node:path'
import type { CommandContext, GlobalFlags } from '../commands/context.ts'
import { cacheDir, configDir, home, serverDataDir } from '../config/paths.ts'
import type { EngineEnvironment } from '../engine/environment.ts'
import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { askSecret, askYesNo, choose } from '../terminal/prompt.ts'
import { warningLine } from '../terminal/streams.ts'
import type { Host } from './host.ts'
import { createLoginParts } from './login-parts.ts'
import { once } from './once.ts'
import { writeOutputFile } from './output-file.ts'
import { newerNodeForServer } from './server-node.ts'
import { createSessionParts } from './session-parts.ts'
import { VERSION } from './version.ts'

/** By then a server has started, and who waited for it has been answered. */
const STARTED_MS = 1_000
/** Of a server: half of it costs a tenth more CPU per request, four times as much saves nothing that can be measured. */
const YOUNG_BYTES = 32 * 1024 * 1024
const USER_AGENT = `imgctl/${VERSION}`

const INSECURE =
  'WARNING: --insecure: certificates are not checked. Whoever is in between can read your credentials and change images.'

/**
 * Puts the parts together, each when it is first asked for.
 *
 * @param asJson whether what the program says on stderr is to be JSON
 */
export function createContext(host: Host, given: GlobalFlags, asJson: boolean): CommandContext {
  const flags = withScheme(given)
  const { environment, streams, signal } = host
  const input = { flags, environment }
  const closers: (() => Promise<void>)[] = []
  const say = (text: string) => {
    const line = asJson ? JSON.stringify({ event: 'message', text }) : makeVisible(text)
    streams.stderr.write(`${line}\n`)
  }
  const debug = (text: string) => {
    if (flags.debug) say(`debug: ${text}`)
  }
  const cacheFiles = {
    folder: cacheDir(environment),
    keyFile: join(configDir(environment), 'cache.key'),
    onProblem: debug,
  }

  const dispatcher = once(async () => {
    const { createHttpDispatcher } = await import('../internal/http-dispatcher.ts')
    const made = createHttpDispatcher(environment, flags)
    if (flags.insecure) say(INSECURE)
    closers.push(() => made.destroy())
    return made
  })
  const warn = (text: string) =>
    asJson ? say(text) : streams.stderr.write(warningLine(streams.stderr, text))
  const connections = { userAgent: USER_AGENT, dispatcher }
  const login = createLoginParts({ environment, warn, ...connections })
  const requirePerson = (question: string, flag: string) => {
    if (flags.input && streams.interactive) return
    throw new ImgctlError('INPUT_REQUIRED', `an answer is needed: ${question}`, {
      hint: `answer with ${flag}`,
    })
  }
  const context: CommandContext = {
    version: VERSION,
    runtime: host.runtime,
    streams,
    signal,
    flags,
    environment,
    serverDataDir: serverDataDir(environment),
    ...login,
    ...createSessionParts(input, login, connections),
    engine: async (choice) => {
      const { createEngine } = await import('../engine/engine.ts')
      return createEngine({ ...choice, environment: engineEnvironment(environment) })
    },
    startServer: async (settings) => {
      assertServerNode(host.runtime.node)
      const [{ startServer }, { serverSettings }, { collectAll }, { limitYoungGeneration }] =
        await Promise.all([
          import('../server/start.ts'),
          import('../server/settings.ts'),
          import('../internal/collector.ts'),
          import('../internal/young-generation.ts'),
        ])
      limitYoungGeneration(YOUNG_BYTES)
      const server = await startServer(serverSettings({ version: VERSION, ...settings }))
      // Starting leaves 25 MB behind that running does not need, and V8 would keep them.
      setTimeout(collectAll, STARTED_MS).unref()
      return server
    },
    serverData: async (dataDir) => {
      assertServerNode(host.runtime.node)
      const { openServerData } = await import('../server/data.ts')
      return openServerData({ dataDir }, { warn })
    },
    serverUsers: async (dataDir) => {
      assertServerNode(host.runtime.node)
      return (await import('../server/users.ts')).openServerUsers({ dataDir })
    },
    openRepository: async (tuning) => {
      const { createRegistryClient } = await import('../registry/client.ts')
      const client = createRegistryClient({
        dispatcher: await dispatcher(),
        userAgent: USER_AGENT,
        plainHttp: flags.plainHttp ?? false,
        ...(tuning ? { tuning } : {}),
        onRetry: (error, attempt, waitMs) =>
          debug(`try ${attempt} failed, the next one in ${Math.round(waitMs)} ms: ${error.message}`),
      })
      return (location) => client.open(location)
    },
    blobCache: async () => {
      const { FileBlobCache } = await import('../cache/blob-cache.ts')
      return new FileBlobCache(cacheFiles)
    },
    uploadJournal: async () => {
      const { FileUploadJournal } = await import('../cache/upload-journal.ts')
      return new FileUploadJournal(join(cacheFiles.folder, 'uploads'))
    },
    cacheStore: async () => {
      const { FileCacheStore } = await import('../cache/cache-store.ts')
      return new FileCacheStore(cacheFiles)
    },
    registryCredentials: async () => {
      const { dockerCredentials } = await import('../auth/docker/docker-credentials.ts')
      return dockerCredentials(engineEnvironment(environment))
    },
    confirm: async (question, flag) => {
      requirePerson(question, flag)
      return askYesNo(streams, question, signal)
    },
    askSecret: async (question, flag) => {
      requirePerson(question, flag)
      return askSecret(streams, question, signal)
    },
    choose: async (question, choices, flag) => {
      requirePerson(question, flag)
      return choose(streams, question, choices, signal)
    },
    writeFile: (path, text) => writeOutputFile(path, text),
    onHangup: host.onHangup,
    completedCommands: async () => (await import('./completed-commands.ts')).completedCommands(),
    probes: async (choice) => {
      const { createProbes } = await import('./probes.ts')
      return createProbes(context, engineEnvironment(environment), choice)
    },
    close: async () => {
      await Promise.all(closers.map((close) => close()))
    },
  }
  return context
}

/** `--plain-http` is for what is named without a scheme. */
function withScheme(flags: GlobalFlags): GlobalFlags {
  const { server, plainHttp } = flags
  return plainHttp && server && !server.includes('://') ? { ...flags, server: `http://${server}` } : flags
}

function assertServerNode(version: string): void {
  const needed = newerNodeForServer(version)
  if (needed === undefined) return
  throw new ImgctlError('UNSUPPORTED', `imgctl serve needs ${needed}, this is ${version}`, {
    hint: 'every other command runs on this one; for the server: npx -p node@24 -p imgctl imgctl serve',
  })
}

export function engineEnvironment(environment: Host['environment']): EngineEnvironment {
  const uid = process.getuid?.()
  return {
    variables: environment,
    home: home(environment),
    platform: process.platform,
    ...(uid === undefined ? {} : { uid }),
  }
}
