import { expect } from 'vitest'
import { createEngine } from '../../src/engine/engine.ts'
import type { Engine } from '../../src/ports/engine.ts'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import type { EngineName } from '../services/fixtures.ts'
import { service } from '../services/use.ts'

export const ENGINES: readonly EngineName[] = ['dockerClassic', 'dockerContainerd', 'podman']

export function engineOf(name: EngineName): Engine {
  const environment = { variables: {}, home: '/nonexistent', platform: 'linux' as const }
  return createEngine({ host: service(name).dockerHost, environment })
}

/** Builds an image of three layers and several steps; `mark` makes it one of its own. */
export async function buildSteps(name: EngineName, reference: string, mark: string): Promise<void> {
  await buildImage(service(name).socketPath, {
    reference,
    dockerfile: `FROM scratch
COPY busybox /bin/busybox
ARG VERSION=1
ENV MARK=yes
RUN ["/bin/busybox", "mkdir", "-p", "/data"]
COPY mark /data/mark
SHELL ["/bin/busybox", "sh", "-c"]
RUN /bin/busybox echo $VERSION > /data/version
EXPOSE 80
ENTRYPOINT ["/bin/busybox"]
CMD ["cat", "/data/mark"]
`,
    files: { busybox: { from: '/bin/busybox' }, mark },
  })
}

export interface Inspected {
  readonly Id: string
  readonly RootFS: { readonly Layers: readonly string[] }
  readonly RepoTags: readonly string[]
}

export async function inspect(name: EngineName, reference: string): Promise<Inspected> {
  const { status, body } = await callEngine(service(name).socketPath, `/images/${reference}/json`)
  expect(status, `${reference} in ${name}: ${body}`).toBe(200)
  return JSON.parse(body.toString())
}

/** Removes a name, or an image by id, if it is there. */
export async function remove(name: EngineName, reference: string): Promise<void> {
  await callEngine(service(name).socketPath, `/images/${reference}?force=true`, { method: 'DELETE' })
}
