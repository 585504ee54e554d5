import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Digest, digestBytes } from '../../../src/oci/digest.ts'
import type { Descriptor } from '../../../src/oci/manifest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { storeManifest } from '../../../src/server/content/manifests.ts'
import { ensureRepository } from '../../../src/server/content/repositories.ts'
import { storeBlob } from '../../../src/server/content/store-blob.ts'
import { tagManifest } from '../../../src/server/content/tags.ts'
import type { ServerContext } from '../../../src/server/context.ts'
import { recordTagPush } from '../../../src/server/images/record-push.ts'
import type { Organization } from './open-images.ts'

/** Documents and blobs of a made-up image; layers are random-looking bytes, which nobody unpacks here. */
export interface MadeImage {
  readonly manifest: Uint8Array
  readonly digest: Digest
  readonly blobs: ReadonlyMap<Digest, Uint8Array>
}

export interface ImageParts {
  readonly seed?: string
  readonly architecture?: string
  /** The `config` of the config: what runs. */
  readonly run?: Record<string, unknown>
  readonly layers?: readonly Uint8Array[]
  /** Replaces what follows from the layers. */
  readonly diffIDs?: readonly string[]
  /** Last word on the manifest. */
  readonly manifest?: (manifest: ManifestDocument) => unknown
}

export interface ManifestDocument {
  schemaVersion: number
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
}

export function makeImage(parts: ImageParts = {}): MadeImage {
  const { seed = 'one', architecture = 'amd64', run = { Cmd: ['/app'] } } = parts
  const layers = parts.layers ?? [layerBytes(`${seed}-a`), layerBytes(`${seed}-b`)]
  const diffIDs = parts.diffIDs ?? layers.map((layer) => digestBytes(layer))
  const config = encode({
    os: 'linux',
    architecture,
    config: run,
    rootfs: { type: 'layers', diff_ids: diffIDs },
  })
  const document: ManifestDocument = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describe(OCI_CONFIG, config),
    layers: layers.map((layer) => describe(OCI_LAYER_GZIP, layer)),
  }
  const manifest = encode(parts.manifest?.(document) ?? document)
  const blobs = new Map([config, ...layers].map((bytes) => [digestBytes(bytes), bytes]))
  return { manifest, digest: digestBytes(manifest), blobs }
}

/** An index of images, each with its platform; `attestation` adds what BuildKit adds. */
export function makeIndex(
  images: readonly (readonly [string, MadeImage])[],
  attestation = false,
): Uint8Array {
  const entries = images.map(([architecture, { manifest, digest }]) => ({
    mediaType: OCI_MANIFEST,
    digest,
    size: manifest.length,
    platform: { os: 'linux', architecture },
  }))
  const extra = {
    mediaType: OCI_MANIFEST,
    digest: digestBytes(Buffer.from('attestation')),
    size: 11,
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  }
  const manifests = attestation ? [extra, ...entries] : entries
  return encode({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
}

/** Stores blobs and manifest in a repository, as a push by digest does; nothing gets a name. */
export async function storeImage(
  ctx: ServerContext,
  { id }: Organization,
  repository: string,
  image: MadeImage,
): Promise<number> {
  const repositoryId = await ctx.db
    .transaction()
    .execute((trx) => ensureRepository(trx, { organizationId: id, path: repository, now: ctx.now() }))
  for (const [expectedDigest, bytes] of image.blobs) {
    await storeBlob(ctx, { repositoryId, source: Readable.from([bytes]), expectedDigest })
  }
  await ctx.db
    .transaction()
    .execute((trx) => storeManifest(trx, { repositoryId, bytes: image.manifest, now: ctx.now() }))
  return repositoryId
}

/** What the registry does in one transaction when a client puts a manifest by tag. */
export async function pushTag(
  ctx: ServerContext,
  { id }: Organization,
  name: string,
  digest: string,
): Promise<boolean> {
  const [repository, tag] = name.split(':') as [string, string]
  const waits = await ctx.db.transaction().execute(async (trx) => {
    const now = ctx.now()
    const repositoryId = await ensureRepository(trx, { organizationId: id, path: repository, now })
    await tagManifest(trx, { repositoryId, tag, digest, now })
    return recordTagPush(trx, {
      organizationId: id,
      repository,
      tag,
      digest,
      isImage: true,
      actor: 'pusher',
      now,
    })
  })
  if (waits) ctx.wakeReconciler()
  return waits
}

export function layerBytes(seed: string, size = 1000): Uint8Array {
  const block = createHash('sha512').update(seed).digest()
  return Buffer.concat(Array.from({ length: Math.ceil(size / block.length) }, () => block)).subarray(0, size)
}

export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestBytes(bytes), size: bytes.length }
}

export function encode(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document))
}
