import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { expect, test } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')

/** Which part may import which others; docs/architecture.md has the same table with the reasons. */
const ARROWS: Record<string, readonly string[]> = {
  main: ['cli', 'terminal'],
  cli: [
    ...[
      'commands',
      'operations',
      'terminal',
      'ports',
      'engine',
      'registry',
      'api',
      'auth',
      'cache',
      'config',
    ],
    ...['contract', 'oci', 'archive', 'build', 'server', 'errors', 'internal'],
  ],
  commands: ['operations', 'terminal', 'ports', 'oci', 'contract', 'errors'],
  operations: ['ports', 'oci', 'archive', 'build', 'contract', 'errors', 'internal'],
  build: ['oci', 'errors', 'internal'],
  engine: ['ports', 'oci', 'contract', 'config', 'errors', 'internal'],
  registry: ['ports', 'oci', 'contract', 'config', 'errors', 'internal'],
  api: ['ports', 'oci', 'contract', 'config', 'errors', 'internal'],
  auth: ['ports', 'oci', 'contract', 'config', 'errors', 'internal'],
  cache: ['ports', 'oci', 'errors', 'internal'],
  server: ['contract', 'oci', 'archive', 'errors', 'internal', 'ports', 'registry'],
  archive: ['oci', 'errors', 'internal'],
  config: ['errors', 'internal'],
  ports: ['oci', 'contract'],
  contract: ['oci'],
  oci: ['errors', 'internal'],
  internal: ['errors'],
  terminal: ['internal'],
  errors: [],
}

/** Inside the server, the same again. Files directly in server/ hold its composition. */
const SERVER_ARROWS: Record<string, readonly string[]> = {
  http: ['registry', 'images', 'identity', 'content', 'store'],
  registry: ['content', 'identity', 'images', 'store'],
  issuer: ['identity', 'store'],
  images: ['content', 'identity', 'store'],
  maintenance: ['content', 'identity', 'images', 'store'],
  identity: ['store'],
  content: ['store'],
  store: [],
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(sep).join('/'))
const imports = files.flatMap(importsOf)

test('every import follows an allowed arrow', () => {
  const wrong = imports.filter(({ from, to, typeOnly }) => !isAllowed(from, to, typeOnly))
  expect(wrong.map(({ from, to }) => `${chainTo(from).join(' -> ')} -> ${to}`)).toEqual([])
})

test('no import cycles', () => {
  expect(findCycles().map((cycle) => cycle.join(' -> '))).toEqual([])
})

test('a part that has no row in the table has no files', () => {
  const unknown = files.filter((file) => !(partOf(file) in ARROWS))
  expect(unknown).toEqual([])
})

test('the check itself sees a wrong arrow', () => {
  expect(isAllowed('oci/digest.ts', 'server/start.ts', false)).toBe(false)
  expect(isAllowed('commands/login.ts', 'commands/logout.ts', false)).toBe(false)
  expect(isAllowed('engine/client.ts', 'registry/client.ts', true)).toBe(false)
  expect(isAllowed('commands/image/push.ts', 'config/profiles.ts', false)).toBe(false)
  expect(isAllowed('commands/image/push.ts', 'operations/push/push-image.ts', false)).toBe(true)
})

function isAllowed(from: string, to: string, typeOnly: boolean): boolean {
  const [a, b] = [partOf(from), partOf(to)]
  if (a === 'commands' && b === 'commands') return isCommandTree(from) || isShared(to)
  if (a === 'server' && b === 'server') return isAllowedInServer(from, to, typeOnly)
  if (a === b) return true
  if (a === 'commands' && typeOnly && b === 'config') return true
  if (from === 'commands/context.ts' && typeOnly) return b !== 'cli'
  return ARROWS[a]?.includes(b) ?? false
}

/** Types of the composition (context.ts) go everywhere in the server; its values only to the composition. */
function isAllowedInServer(from: string, to: string, typeOnly: boolean): boolean {
  const [a, b] = [from.split('/'), to.split('/')]
  if (a.length === 2) return true
  if (b.length === 2) return typeOnly || b[1] === 'settings.ts'
  return a[1] === b[1] || (SERVER_ARROWS[a[1]!]?.includes(b[1]!) ?? false)
}

/** A command imports no other command: only the tree (index.ts) gathers them, and shared options may be shared. */
function isCommandTree(file: string): boolean {
  return /(^|\/)(index|tree)\.ts$/.test(file)
}

function isShared(file: string): boolean {
  return /(^|\/)(shared|options|views)\//.test(file) || /^commands\/(command|context)\.ts$/.test(file)
}

function partOf(file: string): string {
  const slash = file.indexOf('/')
  return slash < 0 ? file.replace(/\.ts$/, '') : file.slice(0, slash)
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const found: Import[] = []
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?([^'"`;]*?from\s*)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g
  for (const [, type, , specifier, dynamic] of text.matchAll(pattern)) {
    const target = specifier ?? dynamic!
    if (!target.startsWith('.')) continue
    const to = relative(SRC, resolve(dirname(join(SRC, file)), target))
      .split(sep)
      .join('/')
    if (!to.startsWith('..')) found.push({ from: file, to, typeOnly: type !== undefined })
  }
  return found
}

/** The shortest way from the program's entry to `file`, so that a wrong import shows why it is loaded. */
function chainTo(file: string): string[] {
  const queue: string[][] = [['main.ts']]
  const seen = new Set(['main.ts'])
  for (let chain = queue.shift(); chain; chain = queue.shift()) {
    const last = chain.at(-1)!
    if (last === file) return chain
    for (const { to } of imports.filter(({ from }) => from === last)) {
      if (!seen.has(to)) queue.push([...chain, to])
      seen.add(to)
    }
  }
  return [file]
}

/** Cycles of imports, of types too: what can only be understood together is one thing. */
function findCycles(): string[][] {
  const cycles: string[][] = []
  const done = new Set<string>()
  const edges = Map.groupBy(imports, ({ from }) => from)
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) cycles.push([...path.slice(at), file])
    if (at >= 0 || done.has(file)) return
    for (const { to } of edges.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  return cycles
}
