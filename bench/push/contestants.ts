import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { skopeo, succeeded } from '../../test/services/tools.ts'
import { type Arena, cranePush, docker, dockerPush, imgctlPush, skopeoCopy } from './arena.ts'
import type { Contestant } from './contest.ts'
import type { BenchImage } from './image-set.ts'

/** What a rebuild of the topmost layer of an application changes. */
const CHANGED_BYTES = 200_000
/** skopeo compresses 2 GB, on a loaded machine. */
const COMPRESS_TIMEOUT_MS = 10 * 60_000

export const IMGCTL = 'imgctl'
export const DOCKER = 'docker push'
export const SKOPEO = 'skopeo'
export const CRANE = 'crane'

/** docker push and imgctl, of an image that an engine has under its reference. */
export function byEngine(arena: Arena, { reference }: BenchImage, host: string) {
  return async (): Promise<Contestant[]> => {
    const env = await arena.newUser(host)
    return [
      {
        who: DOCKER,
        push: (to) => dockerPush(reference, to, host),
        change: async () => {
          const changed = await changedImage(arena, reference, host)
          return (to) => dockerPush(changed, to, host)
        },
      },
      {
        who: IMGCTL,
        push: (to) => imgctlPush(reference, to, env),
        change: async () => {
          const changed = await changedImage(arena, reference, host)
          return (to) => imgctlPush(changed, to, env)
        },
        counted: true,
      },
    ]
  }
}

/** skopeo of an engine's image: it reads the engine's export, as imgctl does. */
export function bySkopeo({ reference }: BenchImage, host: string): Contestant {
  const options = ['--src-daemon-host', host]
  return { who: SKOPEO, push: (to) => skopeoCopy(`docker-daemon:${reference}`, to, options) }
}

/** The clients that push an archive, the fastest peer first. */
export function byArchive(arena: Arena, archive: string) {
  return async (): Promise<Contestant[]> => [
    { who: SKOPEO, push: (to) => skopeoCopy(`docker-archive:${archive}`, to) },
    { who: CRANE, push: (to) => cranePush(archive, to) },
    await imgctlOf(arena, archive),
  ]
}

export function byLayout(arena: Arena, layout: string) {
  return async (): Promise<Contestant[]> => [
    { who: SKOPEO, push: (to) => skopeoCopy(`oci-archive:${layout}`, to) },
    await imgctlOf(arena, layout),
  ]
}

async function imgctlOf(arena: Arena, source: string): Promise<Contestant> {
  const env = await arena.newUser()
  return { who: IMGCTL, push: (to) => imgctlPush(source, to, env), counted: true }
}

/** The image with gzip layers, as a build leaves it in a containerd store: an OCI layout in a tar. Made once. */
export async function compressed({ archive, name, reference }: BenchImage): Promise<string> {
  const layout = join(dirname(archive), `${name}-oci.tar`)
  if (existsSync(layout)) return layout
  const half = `${layout}.making-${process.pid}`
  try {
    await succeeded(
      skopeo(
        [
          '--insecure-policy',
          'copy',
          '--quiet',
          `docker-archive:${archive}`,
          `oci-archive:${half}:docker.io/${reference}`,
        ],
        { folders: [dirname(archive)], timeoutMs: COMPRESS_TIMEOUT_MS },
      ),
    )
    await rename(half, layout)
    return layout
  } finally {
    await rm(half, { force: true })
  }
}

/** The image with one small layer on top, which nobody has pushed before. */
async function changedImage(arena: Arena, reference: string, host: string): Promise<string> {
  const id = randomBytes(4).toString('hex')
  const file = join(arena.folder, id)
  await writeFile(file, randomBytes(CHANGED_BYTES))
  const container = docker(host, 'create', reference)
  docker(host, 'cp', file, `${container}:/changed`)
  docker(host, 'commit', container, `imgctl-bench/changed:${id}`)
  docker(host, 'rm', container)
  return `imgctl-bench/changed:${id}`
}
