import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { buildImage } from '../../services/build-image.ts'
import { callEngine } from '../../services/engine.ts'
import { service } from '../../services/use.ts'
import { layeredImage, tarOf, writeArchive } from '../archives.ts'

const MIB = 1024 * 1024
/** They do not compress: what is sent is as large as what is read. The larger one is three chunks. */
const LAYERS = [3 * MIB, 24 * MIB]
export const LAYER_COUNT = LAYERS.length
/** How often Docker tries to send each layer. */
export const ENGINE_TRIES = 5
export const IMAGE_BYTES = LAYERS.reduce((sum, bytes) => sum + bytes)

/** An image that is pushed. */
export interface Source {
  /** What names it on the command line. */
  readonly argument: string
  readonly diffIDs: readonly string[]
  /** Of its engine. */
  readonly socketPath: string | undefined
  /** All tags and digests that its engine has of it. */
  readonly references: () => Promise<readonly string[]>
  readonly remove: () => Promise<void>
}

export async function archiveSource(): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-faults-'))
  const { entries, diffIDs } = await layeredImage('faults:1.0', LAYERS)
  return {
    argument: await writeArchive(join(folder, 'image.tar'), entries),
    diffIDs,
    socketPath: undefined,
    references: async () => [],
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** An OCI layout whose one layer is compressed already, and goes as it is: in one body. */
export async function layoutSource(layerBytes: number): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-faults-'))
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true })
  const write = async (mediaType: string, bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(folder, 'blobs', 'sha256', hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const tar = await tarOf({ f0: randomBytes(layerBytes) })
  const diffID = `sha256:${createHash('sha256').update(tar).digest('hex')}`
  const layer = await write('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar, { level: 0 }))
  const image = {
    os: 'linux',
    architecture: 'amd64',
    config: { Cmd: ['/f0'] },
    rootfs: { type: 'layers', diff_ids: [diffID] },
  }
  const config = await write('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(image)))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = { schemaVersion: 2, mediaType, config, layers: [layer] }
  const index = {
    schemaVersion: 2,
    manifests: [await write(mediaType, Buffer.from(JSON.stringify(manifest)))],
  }
  await writeFile(join(folder, 'index.json'), JSON.stringify(index))
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return {
    argument: `oci:${folder}`,
    diffIDs: [diffID],
    socketPath: undefined,
    references: async () => [],
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

export async function engineSource(): Promise<Source> {
  const { socketPath } = service('dockerClassic')
  const reference = `imgctl-test/faults-${createHash('sha256').update(randomBytes(8)).digest('hex').slice(0, 8)}:1.0`
  const folder = await mkdtemp(join(tmpdir(), 'imgctl-faults-'))
  const files: Record<string, { from: string }> = {}
  for (const [i, bytes] of LAYERS.entries()) {
    const path = join(folder, `f${i}`)
    await writeFile(path, randomBytes(bytes))
    files[`f${i}`] = { from: path }
  }
  const copies = Object.keys(files).map((name) => `COPY ${name} /${name}\n`)
  const dockerfile = `FROM scratch\n${copies.join('')}ENTRYPOINT ["/f0"]\n`
  await buildImage(socketPath, { reference, dockerfile, files })
  await rm(folder, { recursive: true, force: true })
  const inspected = await json(socketPath, `/images/${reference}/json`)
  return {
    argument: reference,
    diffIDs: inspected.RootFS.Layers,
    socketPath,
    references: async () => {
      const { RepoTags, RepoDigests } = await json(socketPath, `/images/${inspected.Id}/json`)
      return [...(RepoTags ?? []), ...(RepoDigests ?? [])].sort()
    },
    remove: async () => {
      await callEngine(socketPath, `/images/${inspected.Id}?force=true`, { method: 'DELETE' })
    },
  }
}

async function json(socketPath: string, path: string) {
  const { body } = await callEngine(socketPath, path)
  return JSON.parse(body.toString())
}
