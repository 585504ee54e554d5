import { createWriteStream } from 'node:fs'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { buildImage, contextOf, type ImageRecipe } from './build-image.ts'
import { callEngine } from './engine.ts'
import { withLock } from './lock.ts'
import { docker, skopeo, succeeded } from './tools.ts'
import { service, services } from './use.ts'

export type EngineName = 'dockerClassic' | 'dockerContainerd' | 'podman'
export type ImageName = 'hello' | 'helloArm64' | 'twoLayers' | 'noEntry'

/** The references of the fixture images. Podman lists them as `docker.io/imgctl-test/...`. */
export const IMAGES = {
  hello: 'imgctl-test/hello:1.0',
  helloArm64: 'imgctl-test/hello-arm64:1.0',
  twoLayers: 'imgctl-test/two-layers:1.0',
  noEntry: 'imgctl-test/noentry:1.0',
} as const satisfies Record<ImageName, string>

const BUSYBOX = { from: '/bin/busybox' }
const TEXT = 'hello from imgctl-test\n'

const RECIPES: Record<ImageName, Omit<ImageRecipe, 'reference'>> = {
  hello: {
    dockerfile: `FROM scratch
COPY busybox /bin/busybox
LABEL org.example.fixture=hello
CMD ["/bin/busybox", "echo", "hello from imgctl-test"]
`,
    files: { busybox: BUSYBOX },
  },
  helloArm64: {
    dockerfile: 'FROM scratch\nCOPY hello.txt /hello.txt\nCMD ["/hello.txt"]\n',
    files: { 'hello.txt': TEXT },
    platform: 'linux/arm64',
  },
  twoLayers: {
    dockerfile: `FROM scratch
COPY busybox /bin/busybox
COPY hello.txt /hello.txt
ENTRYPOINT ["/bin/busybox"]
CMD ["cat", "/hello.txt"]
`,
    files: { busybox: BUSYBOX, 'hello.txt': TEXT },
  },
  noEntry: { dockerfile: 'FROM scratch\nCOPY hello.txt /hello.txt\n', files: { 'hello.txt': TEXT } },
}

/**
 * Makes sure that the fixture images are in the engine: builds those that are missing. A test that
 * changes or deletes an image does it to a tag of its own, because test files share the engine.
 */
export async function fixtureImages(engine: EngineName): Promise<typeof IMAGES> {
  const { socketPath } = service(engine)
  await withLock(fixturePath(`images-${engine}.lock`), async () => {
    for (const name of Object.keys(RECIPES) as ImageName[]) {
      const reference = IMAGES[name]
      const known = await callEngine(socketPath, `/images/${reference}/json`)
      if (known.status !== 200) await buildImage(socketPath, { reference, ...RECIPES[name] })
    }
  })
  return IMAGES
}

/** Images of the containerd engine that are an index, as buildx makes them. */
export const INDEX_IMAGES = {
  /** linux/amd64 and its provenance attestation. */
  attested: 'imgctl-test/attested:1.0',
  /** linux/amd64 and linux/arm64, each with its attestation. */
  multiPlatform: 'imgctl-test/multi-platform:1.0',
} as const

/** Makes sure that INDEX_IMAGES are in the containerd engine. Needs `dockerContainerd` and `tools`. */
export async function indexImages(): Promise<typeof INDEX_IMAGES> {
  const { socketPath, dockerHost } = service('dockerContainerd')
  const platforms = { attested: 'linux/amd64', multiPlatform: 'linux/amd64,linux/arm64' }
  await withLock(fixturePath('images-index.lock'), async () => {
    for (const name of ['attested', 'multiPlatform'] as const) {
      const known = await callEngine(socketPath, `/images/${INDEX_IMAGES[name]}/json`)
      if (known.status === 200) continue
      const flags = ['--provenance=true', '--platform', platforms[name], '--tag', INDEX_IMAGES[name]]
      const input = await contextOf(RECIPES.noEntry)
      await succeeded(docker(['buildx', 'build', ...flags, '-'], { host: dockerHost, input }))
    }
  })
  return INDEX_IMAGES
}

/** The path of what `docker save` of that engine writes for an image. Shared: read only. */
export async function savedArchive(engine: EngineName, image: ImageName): Promise<string> {
  await fixtureImages(engine)
  return once(`${engine}-${image}.tar`, (path) => save(service(engine).socketPath, [IMAGES[image]], path))
}

/** The folder of an OCI layout with one image, tagged with the image's tag. Shared: read only. */
export async function ociLayout(image: ImageName): Promise<string> {
  const archive = await savedArchive('dockerClassic', image)
  const reference = IMAGES[image]
  return once(`oci-${image}`, async (path) => {
    const [from, to] = [`docker-archive:${archive}:${reference}`, `oci:${path}:${reference.split(':')[1]}`]
    await succeeded(skopeo(['--insecure-policy', 'copy', from, to]))
  })
}

/** Streams `GET /images/get` for some references into a file. */
export function save(socketPath: string, references: readonly string[], path: string): Promise<void> {
  const query = references.map((reference) => `names=${encodeURIComponent(reference)}`).join('&')
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path: `/images/get?${query}`, agent: false }, (response) => {
      if (response.statusCode === 200) {
        pipeline(response, createWriteStream(path)).then(resolve, reject)
        return
      }
      response.resume()
      reject(new Error(`saving ${references.join(', ')} answered ${response.statusCode}`))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

function fixturePath(name: string): string {
  return join(services().runFolder, 'fixtures', name)
}

/** Makes a file or folder once per run, whichever test process comes first; it appears whole or not at all. */
async function once(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const path = fixturePath(name)
  await withLock(`${path}.lock`, async () => {
    if (await exists(path)) return
    const half = `${path}.half`
    await rm(half, { recursive: true, force: true })
    await mkdir(fixturePath('.'), { recursive: true })
    await make(half)
    await rename(half, path)
  })
  return path
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
