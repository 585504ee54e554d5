import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { startRegistry } from '../../services/registry.ts'
import { services } from '../../services/use.ts'
import { serve } from '../program.ts'

/** A registry that images are pushed to. */
export interface Place {
  readonly url: string
  /** Whether it wants tokens, and gives them. */
  readonly givesTokens: boolean
  /** What says to push there, as an image of this name, through `host`. */
  readonly argsFor: (host: string, name: string) => readonly string[]
  readonly envFor: (url: string) => Readonly<Record<string, string>>
  readonly repositoryOf: (name: string) => string
  /** Only for the tests' own look at what arrived. */
  readonly authorization: string | undefined
  /** Uploads that were begun and not ended; of CNCF distribution none, which keeps folders of those that were cancelled. */
  readonly sessions: () => Promise<readonly string[]>
  readonly kill: () => Promise<void>
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

export async function ownServer(dataFolder?: string): Promise<Place> {
  const server = await serve(dataFolder === undefined ? [] : ['--data', dataFolder])
  const data = dataFolder ?? join(server.folder, 'data')
  return {
    url: server.url,
    givesTokens: true,
    argsFor: (_, name) => ['--name', `${name}:1.0`],
    envFor: (url) => ({ IMGCTL_SERVER: url, IMGCTL_API_KEY: server.apiKey }),
    repositoryOf: (name) => `default/${name}`,
    authorization: `Basic ${Buffer.from(`any:${server.apiKey}`).toString('base64')}`,
    sessions: () => readdir(join(data, 'uploads')),
    kill: server.crash,
    restart: server.restart,
    stop: server.stop,
  }
}

let registries = 0

/**
 * CNCF distribution, open to all.
 *
 * @param onFolder told where it will keep its blobs, before it starts
 */
export async function distribution(onFolder = async (_path: string) => {}): Promise<Place> {
  const { runFolder } = services()
  const name = `faults-${process.pid}-${registries++}`
  await onFolder(join(runFolder, name, 'data'))
  let registry = await startRegistry(runFolder, { name })
  const port = Number(new URL(registry.url).port)
  return {
    url: registry.url,
    givesTokens: false,
    argsFor: (host, image) => ['--to', `${host}/faults/${image}:1.0`],
    envFor: () => ({}),
    repositoryOf: (image) => `faults/${image}`,
    authorization: undefined,
    sessions: async () => [],
    kill: () => registry.stop(),
    restart: async () => {
      registry = await startRegistry(runFolder, { name, port })
    },
    stop: () => registry.stop(),
  }
}

export interface Stored {
  readonly digest: string
  readonly diffIDs: readonly string[]
  /** Bytes of its blobs. */
  readonly size: number
}

/** What the registry has as NAME:1.0, every byte of it hashed; undefined when it has nothing. */
export async function readBack(place: Place, name: string): Promise<Stored | undefined> {
  const headers = {
    accept:
      'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
    ...(place.authorization ? { authorization: place.authorization } : {}),
  }
  const at = (path: string) => `${place.url}/v2/${place.repositoryOf(name)}/${path}`
  const head = await fetch(at('manifests/1.0'), { method: 'HEAD', headers })
  if (head.status === 404) return undefined
  const digest = head.headers.get('docker-content-digest') ?? ''
  const manifest = await read(at(`manifests/${digest}`), headers, digest)
  const { config, layers } = JSON.parse(manifest.toString())
  let size = 0
  const blobs = []
  for (const blob of [config, ...layers]) {
    const bytes = await read(at(`blobs/${blob.digest}`), headers, blob.digest)
    if (bytes.length !== blob.size)
      throw new Error(`${blob.digest} has ${bytes.length} of ${blob.size} bytes`)
    size += bytes.length
    blobs.push(bytes)
  }
  const diffIDs = blobs.slice(1).map((layer) => sha256(layer[0] === 0x1f ? gunzipSync(layer) : layer))
  const named = JSON.parse(blobs[0]!.toString()).rootfs.diff_ids
  if (named.join() !== diffIDs.join()) throw new Error(`the config names ${named}, the layers are ${diffIDs}`)
  return { digest, diffIDs, size }
}

async function read(url: string, headers: Record<string, string>, digest: string): Promise<Buffer> {
  const answer = await fetch(url, { headers })
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (sha256(bytes) !== digest) throw new Error(`${url} is ${sha256(bytes)}`)
  return bytes
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
