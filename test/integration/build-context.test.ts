import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openContext } from '../../src/build/context.ts'
import { contextTar } from '../../src/build/context-tar.ts'
import { CONTEXT_CASES, type ContextCase, DOCKERFILE } from '../build/context-cases.ts'
import { listSavedImage } from '../build/list-image.ts'
import { sortLines } from '../build/list-tar.ts'
import { readRecordings } from '../build/recorded-contexts.ts'
import { contextFolders } from '../build/temporary-folder.ts'
import { callEngine } from '../services/engine.ts'
import { describeWith, service } from '../services/use.ts'

const NAMES: ReadonlySet<string> = new Set([
  'two stars without slashes in a name',
  'all but some files anywhere',
  'modes of the folders above an exception',
  'the Dockerfile is ignored',
  'both are ignored',
  'an ignore file of the Dockerfile that ignores both',
  'a Dockerfile in a folder, with its ignore file',
  'a Dockerfile in an ignored folder',
  'a Dockerfile outside, with its ignore file',
  'a Dockerfile on stdin',
  'a Dockerfile that is a link',
  'links stay links',
  'a link that leads out',
  'hard links',
  'long names',
  'names outside of ASCII',
  'a named pipe',
  'empty folders',
])

const cases = CONTEXT_CASES.filter(({ name }) => NAMES.has(name))
const recordings = readRecordings()
const make = contextFolders()

/** What an engine makes of a right context by itself. */
const ENGINES_OWN: Readonly<Record<string, readonly string[]>> = {
  // BuildKit of 2020 copies no named pipes.
  'dockerClassic with buildkit': ['a named pipe'],
  // Podman makes the folders above an exception itself, and refuses a link that leads out of the context.
  'podman with classic': ['modes of the folders above an exception', 'a link that leads out'],
}

const BUILDERS = [
  ['dockerContainerd', 'buildkit'],
  ['dockerContainerd', 'classic'],
  ['dockerClassic', 'buildkit'],
  ['dockerClassic', 'classic'],
  ['podman', 'classic'],
] as const

for (const [engine, builder] of BUILDERS) {
  const who = `${engine} with ${builder}`
  const ours = cases.filter(({ name }) => !ENGINES_OWN[who]?.includes(name))
  describeWith([engine], `our context in ${who}`, () => {
    test.each(ours)('$name', async (each) => {
      const { root } = await make(each.files)
      const context = await openContext({ folder: join(root, 'context'), ...dockerfileOf(root, each) })
      const { name } = context.dockerfile
      const { socketPath } = service(engine)
      const tar = contextTar(context, { builder })
      const listed = await build(
        socketPath,
        { dockerfile: name, version: builder === 'buildkit' ? '2' : '1' },
        tar,
      )
      expect(listed.map(withoutSizeOfRules)).toEqual(expectedLines(each, name, { engine, builder }))
    })
  })
}

/** Builds and lists what COPY saw; the image is removed. */
async function build(
  socketPath: string,
  parameters: Record<string, string>,
  tar: Readable,
): Promise<string[]> {
  const reference = `imgctl-context-${randomUUID()}:1`
  const query = new URLSearchParams({ t: reference, nocache: '1', ...parameters })
  const answer = await post(socketPath, `/build?${query}`, tar)
  const saved = await callEngine(socketPath, `/images/${reference}/get`)
  await callEngine(socketPath, `/images/${reference}?force=1`, { method: 'DELETE' })
  if (saved.status !== 200) throw new Error(`not built: ${answer}`)
  return listSavedImage([saved.body])
}

/**
 * What docker's client had COPY see with BuildKit. A tar can hide a Dockerfile from it only in the classic builder,
 * and there its folder stays. Podman obeys the ignore file as a whole.
 */
function expectedLines(
  { name }: ContextCase,
  dockerfile: string,
  { engine, builder }: { engine: string; builder: 'buildkit' | 'classic' },
): string[] {
  const recorded = recordings[name]!.buildkit
  if ('error' in recorded) throw new Error(`docker refuses ${name}`)
  const isSeen = recorded.some(
    (line) => line.endsWith(` ${dockerfile}`) || line.includes(` ${dockerfile} -> `),
  )
  const folder = dirname(dockerfile)
  const folders = isSeen || folder === '.' || engine === 'podman' ? [] : [`d 755 ${folder}`]
  const file = isSeen || builder === 'classic' ? [] : [`f 644 ${DOCKERFILE.length} ${dockerfile}`]
  const lines = new Set([...recorded, ...folders, ...file])
  return sortLines([...lines]).map(withoutSizeOfRules)
}

/** The classic builder is told by a further line of the ignore file to hide the Dockerfile: so does docker. */
function withoutSizeOfRules(line: string): string {
  return line.replace(/^f 644 \d+ \.dockerignore$/, 'f 644 .dockerignore')
}

function dockerfileOf(root: string, { dockerfile }: ContextCase) {
  if (dockerfile === undefined) return {}
  if (dockerfile === '-') return { dockerfile: { content: Buffer.from(DOCKERFILE) } }
  return { dockerfile: { path: join(root, dockerfile) } }
}

/** Sends a tar as it comes; the answer as text. */
function post(socketPath: string, path: string, body: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-tar' }
    const outgoing = request({ socketPath, path, method: 'POST', headers, agent: false }, (answer) => {
      text(answer).then(resolve, reject)
    })
    outgoing.on('error', reject)
    body.on('error', reject)
    body.pipe(outgoing)
  })
}
