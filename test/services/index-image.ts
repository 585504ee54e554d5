import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types.ts'

export interface PublishedImage {
  readonly architecture: string
  /** Of its manifest, and of its only layer without compression. */
  readonly digest: string
  readonly diffID: string
}

export interface PublishedIndex {
  /** Of the index. */
  readonly digest: string
  readonly images: readonly PublishedImage[]
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/**
 * Gives a registry a linux image for several architectures, with an attestation as buildx makes it
 * unless told otherwise. Each image has
 * one layer and one step, which name the architecture.
 */
export async function publishIndex(
  url: string,
  repository: string,
  tag: string,
  architectures: readonly string[],
  { attested = true }: { readonly attested?: boolean } = {},
): Promise<PublishedIndex> {
  const target = { url, repository }
  const images: (PublishedImage & { descriptor: Descriptor })[] = []
  for (const architecture of architectures) {
    const layer = await tarOf('app', `${repository} ${architecture}`)
    const config = {
      ...{ os: 'linux', architecture, created: '2024-01-02T03:04:05Z' },
      config: { Entrypoint: ['/app'] },
      rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
      history: [{ created: '2024-01-02T03:04:05Z', created_by: `COPY app for ${architecture}` }],
    }
    const descriptor = await publishImage(target, config, gzipSync(layer), OCI_LAYER_GZIP)
    images.push({ architecture, digest: descriptor.digest, diffID: sha256(layer), descriptor })
  }
  const manifests = images.map(({ architecture, descriptor }) => {
    return { ...descriptor, platform: { os: 'linux', architecture } }
  })
  const attestations = attested ? [await attest(target, images[0]!)] : []
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...manifests, ...attestations] }
  const { digest } = await putManifest(target, index, tag)
  return { digest, images }
}

interface Target {
  readonly url: string
  readonly repository: string
}

async function publishImage(
  target: Target,
  config: object,
  layer: Buffer,
  layerType: string,
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: await putBlob(target, Buffer.from(JSON.stringify(config)), OCI_CONFIG),
    layers: [await putBlob(target, layer, layerType)],
  }
  return putManifest(target, manifest)
}

/** https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md */
async function attest(target: Target, { digest }: PublishedImage) {
  const statement = Buffer.from(JSON.stringify({ _type: 'https://in-toto.io/Statement/v0.1', subject: [] }))
  const unknown = { os: 'unknown', architecture: 'unknown' }
  const config = { ...unknown, config: {}, rootfs: { type: 'layers', diff_ids: [sha256(statement)] } }
  const descriptor = await publishImage(target, config, statement, 'application/vnd.in-toto+json')
  const annotations = {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': digest,
  }
  return { ...descriptor, platform: unknown, annotations }
}

async function putManifest(
  { url, repository }: Target,
  manifest: { readonly mediaType: string },
  tag?: string,
): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(manifest))
  const { mediaType } = manifest
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length }
  await put(new URL(`/v2/${repository}/manifests/${tag ?? descriptor.digest}`, url), bytes, mediaType)
  return descriptor
}

async function putBlob({ url, repository }: Target, bytes: Buffer, mediaType: string): Promise<Descriptor> {
  const digest = sha256(bytes)
  const upload = await fetch(new URL(`/v2/${repository}/blobs/uploads/`, url), { method: 'POST' })
  const location = new URL(upload.headers.get('location') ?? '', url)
  location.searchParams.set('digest', digest)
  await put(location, bytes, 'application/octet-stream')
  return { mediaType, digest, size: bytes.length }
}

async function put(url: URL, body: Buffer, contentType: string): Promise<void> {
  const answer = await fetch(url, {
    method: 'PUT',
    body: new Uint8Array(body),
    headers: { 'content-type': contentType },
  })
  if (answer.status !== 201) throw new Error(`PUT ${url.pathname}: ${answer.status} ${await answer.text()}`)
}

async function tarOf(name: string, content: string): Promise<Buffer> {
  const tar = pack()
  tar.entry({ name, mtime: new Date(0) }, content)
  tar.finalize()
  return buffer(tar)
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
