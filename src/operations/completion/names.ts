import { familiarReference, tryParseReference } from '../../oci/reference.ts'

/** Where names come from. A source that fails or is late has none. */
export interface NameSources {
  /** Tags in the local engine. */
  readonly engine: (signal: AbortSignal) => Promise<readonly string[]>
  /** Images on the server whose names begin with `prefix`. */
  readonly server: (prefix: string, signal: AbortSignal) => Promise<readonly string[]>
  readonly profiles: () => Promise<readonly string[]>
  /** The names of the server's upstream registries. */
  readonly registries: (signal: AbortSignal) => Promise<readonly string[]>
  /** The names of the user's API keys. */
  readonly keys: (signal: AbortSignal) => Promise<readonly string[]>
  /** The slugs of the user's organizations. */
  readonly organizations: (signal: AbortSignal) => Promise<readonly string[]>
}

type Source = keyof NameSources

/** Which names the commands of `imgctl image` take; those of the server where nothing is said. */
const IMAGE_SOURCES: Readonly<Record<string, readonly Source[]>> = {
  push: ['engine'],
  build: ['engine'],
  tag: ['engine'],
  create: [],
  import: [],
  load: [],
  search: [],
  save: ['engine', 'server'],
  history: ['engine', 'server'],
  inspect: ['engine', 'server'],
}
/** Made by a push that goes on, and gone after it. */
const STAGING = /:_imgctl-[^/]*$/

/**
 * What may be typed next at a place where a name is due.
 *
 * @param words the command line without the program; the last is the one that is typed, perhaps empty
 * @param signal ends it: what has come until then is the answer
 */
export async function completeNames(
  words: readonly string[],
  sources: NameSources,
  signal: AbortSignal,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const wanted = sourcesFor(words)
  const found = new Set<string>()
  const asked = wanted.map(async (source) => {
    const names = await ask(source, sources, current, signal).catch(() => [])
    for (const name of names) found.add(name)
  })
  await Promise.race([Promise.all(asked), aborted(signal)])
  const fitting = [...found].filter((name) => name.startsWith(current)).sort()
  const areImages = wanted.includes('engine') || wanted.includes('server')
  return areImages ? withTagsLast(fitting, current) : fitting
}

/** Which sources have the names for a command line. */
export function sourcesFor(words: readonly string[]): readonly Source[] {
  if (words.at(-2) === '--profile') return ['profiles']
  if (words.at(-2) === '--organization') return ['organizations']
  const [group = '', command = ''] = words.slice(0, -1).filter((word) => !word.startsWith('-'))
  if (/^profiles?$/.test(group)) return ['profiles']
  if (/^registr(?:y|ies)$/.test(group)) return command === 'add' || command === 'create' ? [] : ['registries']
  if (/^org/.test(group)) return command === 'use' ? ['organizations'] : []
  if (/^keys?$/.test(group)) return command === 'create' ? [] : ['keys']
  if (group === 'cache') return []
  if (words.includes('--remote')) return ['server']
  if (words.includes('--local')) return ['engine']
  return IMAGE_SOURCES[command] ?? ['server']
}

async function ask(
  source: Source,
  sources: NameSources,
  current: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (source === 'server') return sources.server(current, signal)
  if (source === 'engine') return (await sources.engine(signal)).flatMap(familiar)
  return sources[source](signal)
}

/** As docker prints it: Podman writes `docker.io/library/` too. */
function familiar(name: string): string[] {
  const reference = tryParseReference(name)
  return 'rule' in reference || STAGING.test(name) ? [] : [familiarReference(reference)]
}

/** A repository with several tags is offered once, up to its colon; its tags are offered after that. */
function withTagsLast(names: readonly string[], current: string): string[] {
  if (colonOfTag(current) >= 0) return [...names]
  const repositoryOf = (name: string) => name.slice(0, colonOfTag(name) + 1)
  const isAlone = (name: string) =>
    names.filter((other) => repositoryOf(other) === repositoryOf(name)).length === 1
  return [...new Set(names.map((name) => (isAlone(name) ? name : repositoryOf(name) || name)))]
}

/** Where the colon before the tag stands; -1 without one. The colon of a port is another. */
function colonOfTag(name: string): number {
  return name.indexOf(':', name.lastIndexOf('/') + 1)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
