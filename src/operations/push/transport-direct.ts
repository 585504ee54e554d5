import { Readable } from 'node:stream'
import { ProgramWatch } from '../../archive/program-watch.ts'
import { digestBytes, shortDigest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../oci/media-types.ts'
import type { LayerStatus } from './events.ts'
import { encodeLayer } from './layer-encoder.ts'
import type { PlannedLayer } from './plan.ts'
import type { ImageSource, SourceLayer, SourceManifest } from './source.ts'
import type { TransferJob, Transferred } from './transfer.ts'

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
  const watch = watchProgram(source)
  const { configBytes, layers, manifest } = await source.transferLayers((layer, layerSignal) => {
    const known = layer.diffID && planned.get(layer.diffID)
    return transferLayer(layer, known, watch, { ...job, signal: layerSignal })
  }, signal)
  warnOfProgram(watch, job)
  await cache.remember(new Map(source.diffIDs.map((diffID, i) => [diffID, layers[i]!])))
  const config = await uploadConfig(configBytes, job)
  return uploadManifest(config, layers, manifest, job)
}

/** The program that a container would start, when the config says by its path which one that is. */
function watchProgram({ command: [program] }: ImageSource): ProgramWatch | undefined {
  return program?.startsWith('/') ? new ProgramWatch(program) : undefined
}

/** A config may say amd64 over a program for arm64: such an image starts nowhere. */
function warnOfProgram(watch: ProgramWatch | undefined, { source, onEvent }: TransferJob): void {
  const found = watch?.architectures ?? []
  const { architecture } = source.platform
  if (found.length === 0 || found.includes(architecture)) return
  const message = `warning: the image says ${architecture}, but its ${source.command[0]} is a program for ${found.join(', ')}`
  onEvent({ type: 'note', message })
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
  return uploadManifest(config, layers, job.source.manifest, job)
}

async function findConfig({ source, repository, signal }: TransferJob): Promise<Descriptor | undefined> {
  if (!source.configDigest) return undefined
  const size = await repository.blobSize(source.configDigest, signal)
  return size === undefined ? undefined : { mediaType: OCI_CONFIG, digest: source.configDigest, size }
}

async function transferLayer(
  layer: SourceLayer,
  known: PlannedLayer | undefined,
  watch: ProgramWatch | undefined,
  job: TransferJob,
): Promise<Descriptor> {
  const { label, storedSize: total } = layer
  const descriptor = layer.descriptor ?? known?.descriptor
  if (descriptor && (await isThere(descriptor, known, job))) {
    report(job.onEvent, label, 'exists', total, total)
    return descriptor
  }
  let done = 0
  const onRead = (bytes: number) => {
    done = Math.min(total, done + bytes)
    report(job.onEvent, label, 'pushing', done, total)
  }
  report(job.onEvent, label, 'pushing', 0, total)
  const blob = await (layer.reopens && layer.descriptor
    ? sendAsIs(layer, onRead, job)
    : sendEncoded(layer, onRead, watch, job))
  report(job.onEvent, label, 'pushed', total, total)
  return blob
}

async function isThere(
  { digest }: Descriptor,
  known: PlannedLayer | undefined,
  { repository, signal }: TransferJob,
): Promise<boolean> {
  return known ? known.exists : (await repository.blobSize(digest, signal)) !== undefined
}

async function sendAsIs(
  layer: SourceLayer,
  onRead: (bytes: number) => void,
  { repository, signal }: TransferJob,
): Promise<Descriptor> {
  const open = (offset: number) => layer.open(offset, signal)
  await repository.writeBlob(layer.descriptor!, open, { onBytes: onRead, ...(signal ? { signal } : {}) })
  return layer.descriptor!
}

async function sendEncoded(
  layer: SourceLayer,
  onRead: (bytes: number) => void,
  watch: ProgramWatch | undefined,
  { repository, signal }: TransferJob,
): Promise<Descriptor> {
  const look = layer.compression === 'none' ? watch?.layer() : undefined
  const encoded = encodeLayer(await layer.open(0, signal), layer.compression, (chunk) => {
    look?.(chunk)
    onRead(chunk.length)
  })
  await repository.writeStream(encoded.stream, () => encoded.finish(), signal ? { signal } : {})
  // The media type that the image's own manifest uses for this very blob is kept.
  const made = encoded.finish()
  return layer.descriptor?.digest === made.digest ? layer.descriptor : made
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
  own: SourceManifest | undefined,
  { repository, signal }: TransferJob,
): Promise<Transferred> {
  const { bytes, mediaType } = holds(own, layers)
    ? { bytes: own.bytes, mediaType: own.parsed.mediaType }
    : newManifest(config, layers)
  const digest = await repository.writeManifest(digestBytes(bytes), mediaType, bytes, signal)
  return { descriptor: { mediaType, digest, size: bytes.length } }
}

/** Whether the image's own manifest describes what was sent: then the image keeps its digest. */
function holds(own: SourceManifest | undefined, layers: readonly Descriptor[]): own is SourceManifest {
  const expected = own?.parsed.layers
  return expected?.length === layers.length && expected.every(({ digest }, i) => digest === layers[i]!.digest)
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
