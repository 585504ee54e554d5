import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createEngine } from '../../../src/engine/engine.ts'
import type { BuildEvent, BuildRequest, EngineBuild } from '../../../src/ports/engine-build.ts'
import { contextOf } from '../../services/build-image.ts'
import { engineList } from '../../services/engine.ts'
import { memoryFiles } from './memory-files.ts'

/** A Dockerfile whose steps can RUN something. */
export const BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\n'

export type RealRequest = Partial<Omit<BuildRequest, 'files' | 'dockerfile'>> & {
  dockerfile: string
  files?: Record<string, string | { from: string }>
}

/** Of this process: an engine keeps the files that a client sent, and each test file counts what its own client sends. */
const ownCache = join(tmpdir(), `imgctl-test-cache-${randomUUID()}`)
process.on('exit', () => rmSync(ownCache, { recursive: true, force: true }))

/** @param cache the folder in which the client keeps its id: with the same one, engines know its files again */
export function engineAt(host: string, cache = ownCache): EngineBuild {
  const variables = { XDG_CACHE_HOME: cache }
  return createEngine({ host, environment: { variables, home: '/nonexistent', platform: 'linux' } })
}

/** A request for a real engine, with busybox in its context. */
export async function realRequest({ dockerfile, files = {}, ...more }: RealRequest): Promise<BuildRequest> {
  const all = { busybox: { from: '/bin/busybox' }, ...files }
  const tar = await contextOf({ dockerfile, files: all })
  const contents = Object.entries(all).map(([name, content]) => [
    name,
    typeof content === 'string' ? content : readFileSync(content.from),
  ])
  return {
    files: memoryFiles(Object.fromEntries(contents), () => Readable.from([tar], { objectMode: false })),
    dockerfile: { name: 'Dockerfile', fileName: 'Dockerfile', content: Buffer.from(dockerfile) },
    ...more,
  }
}

/** A RUN of a shell command in the exec form: an image from scratch has no /bin/sh. */
export function run(command: string, flags = ''): string {
  return `RUN ${flags}${JSON.stringify(['/bin/busybox', 'sh', '-c', command])}\n`
}

export function logOf(events: readonly BuildEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'log' ? event.text : []))
}

/** The ids of images, or of containers, with a label: those of one build, whatever else the engine does. */
export async function labelled(
  socketPath: string,
  what: 'images' | 'containers',
  label: string,
): Promise<string[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const all = what === 'containers' ? 'all=1&' : ''
  const listed = await engineList(socketPath, `/${what}/json`, `${all}filters=${filters}`)
  return listed.map(({ Id }) => Id)
}

/** The processes that have a text among their arguments. */
export function processesWith(argument: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(argument)
      )
    } catch {
      return false
    }
  })
}
