import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type BuildContext, openContext } from '../../src/build/context.ts'
import { buildFiles } from '../../src/operations/build/build-files.ts'
import { CONTEXT_CASES, type ContextCase, DOCKERFILE } from '../build/context-cases.ts'
import { listSavedImage } from '../build/list-image.ts'
import { sortLines } from '../build/list-tar.ts'
import { AS_CLASSIC, readRecordings } from '../build/recorded-contexts.ts'
import { contextFolders } from '../build/temporary-folder.ts'
import { engineAt } from '../engine/build/real-build.ts'
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

const recordings = readRecordings()
const isDockersOwn = (name: string) => AS_CLASSIC.has(name) || 'error' in recordings[name]!.buildkit
/** With IMGCTL_ALL_CONTEXTS=1 every case in which we do as docker's BuildKit client does: some minutes. */
const cases = CONTEXT_CASES.filter(({ name }) =>
  process.env.IMGCTL_ALL_CONTEXTS === '1' ? !isDockersOwn(name) : NAMES.has(name),
)
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
      const listed = await build(service(engine), builder, context)
      const expected = expectedLines(each, context.dockerfile.name, { engine, builder })
      if (builder === 'buildkit') expect(listed).toEqual(expected)
      else expect(listed.map(withoutSizeOfRules)).toEqual(expected)
    })
  })
}

describeWith(['podman'], 'a link that leads out of the context, in podman', () => {
  test('is named: Podman refuses it without a word', async () => {
    const { folder } = await make({
      'context/Dockerfile': DOCKERFILE,
      'context/in': { symlink: '/etc/passwd' },
      'context/out': { symlink: '../../etc/passwd' },
    })
    const building = build(service('podman'), 'classic', await openContext({ folder }))
    await expect(building).rejects.toMatchObject({
      ...{ code: 'BUILD_FAILED', context: ['out -> ../../etc/passwd'] },
      message: expect.stringContaining('Podman'),
    })
  })
})

/** Builds and lists what COPY saw; the image is removed. */
async function build(
  { socketPath, dockerHost }: { socketPath: string; dockerHost: string },
  builder: 'buildkit' | 'classic',
  context: BuildContext,
): Promise<string[]> {
  const reference = `imgctl-context-${randomUUID()}:1`
  await engineAt(dockerHost).build({
    files: buildFiles(context, () => {}, undefined),
    dockerfile: context.dockerfile,
    ...{ tags: [reference], noCache: true, builder },
  })
  const saved = await callEngine(socketPath, `/images/${reference}/get`)
  await callEngine(socketPath, `/images/${reference}?force=1`, { method: 'DELETE' })
  return listSavedImage([saved.body])
}

/**
 * What docker's client had COPY see with BuildKit. A tar hides a Dockerfile but not its folder. Podman obeys the
 * ignore file as a whole.
 */
function expectedLines(
  { name }: ContextCase,
  dockerfile: string,
  { engine, builder }: { engine: string; builder: 'buildkit' | 'classic' },
): readonly string[] {
  const recorded = recordings[name]!.buildkit
  if ('error' in recorded) throw new Error(`docker refuses ${name}`)
  if (builder === 'buildkit') return recorded
  const isSeen = recorded.some(
    (line) => line.endsWith(` ${dockerfile}`) || line.includes(` ${dockerfile} -> `),
  )
  const folder = dirname(dockerfile)
  const folders = isSeen || folder === '.' || engine === 'podman' ? [] : [`d 755 ${folder}`]
  return sortLines([...new Set([...recorded, ...folders])]).map(withoutSizeOfRules)
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
