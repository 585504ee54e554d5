import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEngine } from '../../../src/engine/engine.ts'
import type { BuildEvent, BuildRequest, EngineBuild } from '../../../src/ports/engine-build.ts'
import { contextOf } from '../../services/build-image.ts'
import { callEngine } from '../../services/engine.ts'

/** A Dockerfile whose steps can RUN something. */
export const BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\n'

export type RealRequest = Partial<Omit<BuildRequest, 'context' | 'dockerfile'>> & {
  dockerfile: string
  files?: Record<string, string | { from: string }>
}

export function engineAt(host: string): EngineBuild {
  return createEngine({ host, environment: { variables: {}, home: '/nonexistent', platform: 'linux' } })
}

/** A request for a real engine, with busybox in its context. */
export async function realRequest({ dockerfile, files = {}, ...more }: RealRequest): Promise<BuildRequest> {
  const tar = await contextOf({ dockerfile, files: { busybox: { from: '/bin/busybox' }, ...files } })
  return {
    context: () => Readable.from([tar], { objectMode: false }),
    dockerfile: { name: 'Dockerfile', text: dockerfile },
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
  const { body } = await callEngine(socketPath, `/${what}/json?${all}filters=${filters}`)
  return (JSON.parse(body.toString()) as { Id: string }[]).map(({ Id }) => Id)
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

/** Waits for something that must come; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50)
}
