import { completeNames, type NameSources } from '../operations/completion/names.ts'
import type { EngineChoice } from '../ports/engine.ts'
import { createContext, engineEnvironment } from './context.ts'
import type { Host } from './host.ts'

/** From the key to the answer, the start of Node with it: later it disturbs who types. */
const COMPLETION_MS = 300
/** What it takes to write the answer and to end. */
const ENDING_MS = 20
/** More names than this help nobody. */
const MAX_NAMES = 200
/** A glob would find other names than those that begin so. */
const PLAIN_PREFIX = /^[\w./:-]*$/

/**
 * `imgctl __complete WORDS...`, which the completion scripts run: prints names, one on each line. It never fails and
 * never says anything else: a person is in the middle of a line.
 */
export async function printCompletions(words: readonly string[], host: Host): Promise<void> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), COMPLETION_MS - ENDING_MS - performance.now())
  try {
    const names = await completeNames(words, nameSources(words, host), controller.signal)
    if (names.length > 0) host.streams.stdout.write(`${names.join('\n')}\n`)
  } catch {
    // Names are a help, not a right.
  } finally {
    clearTimeout(timer)
  }
}

function nameSources(words: readonly string[], host: Host): NameSources {
  const [profile, server] = ['--profile', '--server'].map((name) => optionOf(words, name))
  const engine = engineOf(words)
  const context = createContext(
    host,
    {
      input: false,
      ...(profile === undefined ? {} : { profile }),
      ...(server === undefined ? {} : { server }),
    },
    false,
  )
  return {
    engine: async (signal) => {
      // ssh may ask for a password, in the middle of the line.
      if (await isBehindSsh(host, engine)) return []
      return (await context.engine(engine)).listTags('', signal)
    },
    server: async (prefix, signal) => {
      const name = PLAIN_PREFIX.test(prefix) && prefix !== '' ? { name: `${prefix}*` } : {}
      const { items } = await (await context.server()).images({ ...name, limit: MAX_NAMES }, signal)
      return items.map((image) => image.name)
    },
    registries: async (signal) => (await (await context.server()).registries(signal)).map(({ name }) => name),
    keys: async (signal) => (await (await context.server()).apiKeys(signal)).map(({ name }) => name),
    organizations: async (signal) =>
      (await (await context.server()).organizations(signal)).map(({ slug }) => slug),
    profiles: async () => [...(await context.profiles.read()).profiles.keys()],
  }
}

/** With `--dockerfile`, `--context` is a folder. */
function engineOf(words: readonly string[]): EngineChoice {
  const builds = words.some((word) => /^--dockerfile(=|$)/.test(word))
  const host = optionOf(words, '--host')
  const context = optionOf(words, '--docker-context') ?? (builds ? undefined : optionOf(words, '--context'))
  return { ...(host === undefined ? {} : { host }), ...(context === undefined ? {} : { context }) }
}

async function isBehindSsh({ environment }: Host, engine: EngineChoice): Promise<boolean> {
  const { locate } = await import('../engine/locate.ts')
  const places = await locate(engineEnvironment(environment), engine)
  return places.some(({ endpoint }) => endpoint.kind === 'ssh')
}

/** The value of an option on a line that is not finished. */
function optionOf(words: readonly string[], name: string): string | undefined {
  const typed = words.slice(0, -1)
  const at = typed.lastIndexOf(name)
  const joined = typed.findLast((word) => word.startsWith(`${name}=`))
  return at >= 0 ? typed[at + 1] : joined?.slice(name.length + 1)
}
