import { Readable } from 'node:stream'
import { type Digest, digestBytes, shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../oci/media-types.ts'
import type { LayerStatus } from './events.ts'
import { encodeLayer } from './layer-encoder.ts'
import type { PlannedLayer } from './plan.ts'
import type { ImageSource, SourceLayer } from './source.ts'
import type { TransferJob, Transferred } from './transfer.ts'

interface SentLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest | undefined
}

/**
 * Uploads what is missing from this process, then the manifest, by digest: the name is given later by the server.
 * Memory is bounded by blocks and chunks in flight, never by a layer.
 */
export async function transferDirect(job: TransferJob): Promise<Transferred> {
  const complete = await reuseEverything(job)
  if (complete) return complete
  const { source, plan, cache, onEvent, signal } = job

  onEvent({ type: 'phase', phase: source.kind === 'engine' ? 'export' : 'upload', total: source.size })
  const planned = new Map(plan.layers.map((layer) => [layer.diffID, layer]))
  const made = new Map<Digest, Descriptor>()
  const { configBytes, layers } = await source.transferLayers(async (layer, layerSignal) => {
    const known = layer.diffID && planned.get(layer.diffID)
    const { descriptor, diffID } = await transferLayer(layer, known, { ...job, signal: layerSignal })
    if (diffID) made.set(diffID, descriptor)
    return descriptor
  }, signal)
  await cache.remember(made)
  const config = await uploadConfig(configBytes, job)
  return uploadManifest(config, layers, job)
}

/** When every blob is there already, only the manifest is sent and no layer is read. */
async function reuseEverything(job: TransferJob): Promise<Transferred | undefined> {
  const { plan, onEvent } = job
  if (!plan.layers.every(({ exists }) => exists)) return undefined
  const config = await findConfig(job)
  if (!config) return undefined
  for (const { diffID, descriptor } of plan.layers) {
    report(onEvent, shortDigest(diffID), 'exists', descriptor!.size, descriptor!.size)
  }
  const layers = plan.layers.map(({ descriptor }) => descriptor!)
  return uploadManifest(config, layers, job)
}

async function findConfig({ source, repository, signal }: TransferJob): Promise<Descriptor | undefined> {
  if (!source.configDigest) return undefined
  const size = await repository.blobSize(source.configDigest, signal)
  return size === undefined ? undefined : { mediaType: OCI_CONFIG, digest: source.configDigest, size }
}

async function transferLayer(
  layer: SourceLayer,
  known: PlannedLayer | undefined,
  job: TransferJob,
): Promise<SentLayer> {
  const { repository, onEvent, signal } = job
  const { label, storedSize: total } = layer
  const descriptor = layer.descriptor ?? known?.descriptor
  const exists =
    known?.exists ||
    (layer.descriptor && (await repository.blobSize(layer.descriptor.digest, signal)) !== undefined)
  if (descriptor && exists) {
    report(onEvent, label, 'exists', total, total)
    return { descriptor, diffID: layer.diffID }
  }
  let done = 0
  const onRead = (bytes: number) => {
    done = Math.min(total, done + bytes)
    report(onEvent, label, 'pushing', done, total)
  }
  report(onEvent, label, 'pushing', 0, total)
  const sent =
    layer.descriptor && layer.reopens
      ? await sendAsIs(layer, layer.descriptor, onRead, job)
      : await sendEncoded(layer, onRead, job)
  report(onEvent, label, 'pushed', total, total)
  return sent
}

async function sendAsIs(
  layer: SourceLayer,
  descriptor: Descriptor,
  onRead: (bytes: number) => void,
  { repository, signal }: TransferJob,
): Promise<SentLayer> {
  const open = (offset: number) => layer.open(offset, signal)
  await repository.writeBlob(descriptor, open, { onBytes: onRead, ...(signal ? { signal } : {}) })
  return { descriptor, diffID: layer.diffID }
}

async function sendEncoded(
  layer: SourceLayer,
  onRead: (bytes: number) => void,
  { repository, signal }: TransferJob,
): Promise<SentLayer> {
  const encoded = encodeLayer(await layer.open(0, signal), layer.compression, layer.diffID, onRead)
  await repository.writeStream(encoded.stream, () => encoded.finish().descriptor, signal ? { signal } : {})
  const { descriptor, diffID } = encoded.finish()
  return { descriptor: layer.descriptor ?? descriptor, diffID: diffID ?? layer.diffID }
}

async function uploadConfig(bytes: Uint8Array, { repository, signal }: TransferJob): Promise<Descriptor> {
  const config = { mediaType: OCI_CONFIG, digest: digestBytes(bytes), size: bytes.length }
  if ((await repository.blobSize(config.digest, signal)) === undefined) {
    await repository.writeBlob(
      config,
      (offset) => Readable.from([Buffer.from(bytes.subarray(offset))]),
      signal ? { signal } : {},
    )
  }
  return config
}

async function uploadManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  { source, repository, signal }: TransferJob,
): Promise<Transferred> {
  const { bytes, mediaType } = keepsManifest(source, layers)
    ? { bytes: source.manifest!.bytes, mediaType: source.manifest!.parsed.mediaType }
    : newManifest(config, layers)
  const digest = await repository.writeManifest(digestBytes(bytes), mediaType, bytes, signal)
  return { descriptor: { mediaType, digest, size: bytes.length } }
}

/** The image's own manifest, and so its digest, holds when every blob went as it was. */
function keepsManifest({ manifest }: ImageSource, layers: readonly Descriptor[]): boolean {
  const own = manifest?.parsed.layers
  return own?.length === layers.length && own.every(({ digest }, i) => digest === layers[i]!.digest)
}

/** https://github.com/opencontainers/image-spec/blob/main/manifest.md */
function newManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
): { bytes: Uint8Array; mediaType: string } {
  const fields = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: fields(config),
    layers: layers.map(fields),
  }
  return { bytes: new TextEncoder().encode(JSON.stringify(manifest)), mediaType: OCI_MANIFEST }
}

function report(
  onEvent: TransferJob['onEvent'],
  label: string,
  status: LayerStatus,
  done: number,
  total: number,
): void {
  onEvent({ type: 'layer', label, status, done, total })
}
