/**
 * Records what real builders see of the cases in context-cases.ts, into recorded-contexts.json: the docker
 * client 28 with BuildKit and with the classic builder, on the engine 28 of test/services. As root on Linux:
 *
 *     node test/build/record-context-cases.ts && npm run format
 */

import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServices, stopServices } from '../services/index.ts'
import { docker } from '../services/tools.ts'
import { CONTEXT_CASES, type ContextCase, DOCKERFILE } from './context-cases.ts'
import { listSavedImage } from './list-image.ts'
import { listTar } from './list-tar.ts'
import { makeContext } from './make-context.ts'
import type { Recording } from './recorded-contexts.ts'

const ENGINE = 'dockerContainerd'
const OUTPUT = join(import.meta.dirname, 'recorded-contexts.json')

const { description } = await startServices({ only: [ENGINE, 'tools'], log: console.error })
const folder = await mkdtemp(join(tmpdir(), 'imgctl-record-'))
try {
  const engine = description[ENGINE]
  if (!engine.available) throw new Error(engine.reason)
  const recordings: Record<string, Recording> = {}
  for (const [index, each] of CONTEXT_CASES.entries()) {
    const root = join(folder, String(index))
    await makeContext(root, each)
    recordings[each.name] = {
      buildkit: await recordBuildKit(engine.dockerHost, root, each),
      classic: await recordClassic(engine.dockerHost, root, each),
    }
    await rm(root, { recursive: true })
    console.error(`${index + 1}/${CONTEXT_CASES.length} ${each.name}`)
  }
  await writeFile(OUTPUT, `${JSON.stringify(recordings, undefined, 2)}\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
  await stopServices()
}

async function recordBuildKit(host: string, root: string, each: ContextCase): Promise<Recording['buildkit']> {
  const output = join(root, 'output.tar')
  const built = await docker(
    ['build', '--no-cache', '--progress=plain', '--output', `type=tar,dest=${output}`, ...target(root, each)],
    { host, env: { DOCKER_BUILDKIT: '1' }, ...stdin(each) },
  )
  if (built.code !== 0) return { error: errorOf(built.stderr) }
  return listTar(createReadStream(output))
}

async function recordClassic(host: string, root: string, each: ContextCase): Promise<Recording['classic']> {
  const output = join(root, 'saved.tar')
  const tag = 'imgctl-record:1'
  const built = await docker(['build', '--no-cache', '--tag', tag, ...target(root, each)], {
    host,
    env: { DOCKER_BUILDKIT: '0' },
    ...stdin(each),
  })
  if (built.code !== 0) return { error: errorOf(built.stderr) }
  const saved = await docker(['save', '--output', output, tag], { host })
  if (saved.code !== 0) throw new Error(saved.stderr)
  return listSavedImage(createReadStream(output))
}

function target(root: string, { dockerfile }: ContextCase): string[] {
  const file = dockerfile === undefined ? [] : ['--file', dockerfile === '-' ? '-' : join(root, dockerfile)]
  return [...file, join(root, 'context')]
}

function stdin({ dockerfile }: ContextCase): { input?: string } {
  return dockerfile === '-' ? { input: DOCKERFILE } : {}
}

/** The last line that says something, without this machine's paths. */
function errorOf(stderr: string): string {
  const lines = stderr.trimEnd().split('\n')
  const line = lines.findLast((each) => /error/i.test(each)) ?? lines.at(-1) ?? ''
  return line.replaceAll(folder, '').replace(/\/\d+\//g, '/')
}
