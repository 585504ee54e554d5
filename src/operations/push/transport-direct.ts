import { Readable } from 'node:stream'
import { isCode } from '../../errors/error.ts'
import { type Digest, digestBytes, shortDigest } from '../../oci/digest.ts'
import { type Descriptor, parseManifest } from '../../oci/manifest.ts'
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from '../../oci/media-types.ts'
import { LayerTransfer } from './layer-transfer.ts'
import type { PushPlan } from './plan.ts'
import { isComplete } from './push-facts.ts'
import type { SourceManifest, TransferLayer } from './source.ts'
import type { TransferJob, Transferred } from './transfer.ts'

/**
 * Uploads what is missing from this process, then the manifest. When everything is there no layer is read. A registry
 * that then misses a blob it said it has is believed no more, and gets them all.
 */
export async function transferDirect(job: TransferJob): Promise<Transferred> {
  const { plan, onEvent } = job
  if (plan.manifest) {
    const { digest, mediaType, bytes } = plan.manifest
    if (job.tag !== undefined) await job.repository.writeManifest(job.tag, mediaType, bytes, job.signal)
    reportReuse(plan, onEvent)
    return { descriptor: { mediaType, digest, size: bytes.length } }
  }
  const isReused = isComplete(plan)
  const transfer = new LayerTransfer(job)
  try {
    if (!isReused) return await (plan.picks ? transferPicked : transferLayers)(job, transfer)
    const { descriptor: config, bytes } = plan.config!
    reportReuse(plan, onEvent)
    return await finish(job, { config, bytes, layers: plan.layers.map(({ descriptor }) => descriptor!) })
  } catch (error) {
    if (!isCode(error, 'BLOB_MISSING') || !(isReused || plan.picks || transfer.reused)) throw error
    const { host } = job.repository.location
    onEvent({
      type: 'note',
      message: `registry ${host} lacks a layer that it said it has, sending all of them`,
    })
    const layers = plan.layers.map((layer) => ({ ...layer, exists: false, mountFrom: [] }))
    const distrusting = { ...job, plan: { ...plan, layers, config: undefined }, distrusts: true }
    return transferLayers(distrusting, new LayerTransfer(distrusting))
  }
}

async function transferLayers(job: TransferJob, transfer: LayerTransfer): Promise<Transferred> {
  const { source, concurrency, onEvent, signal } = job
  onEvent({ type: 'phase', phase: source.kind === 'engine' ? 'export' : 'upload', total: source.size })
  const read = () =>
    source.transferLayers((layer, layerSignal) => transfer.send(layer, layerSignal), {
      atOnce: concurrency,
      signal,
    })
  const { configBytes, layers, manifest } = await orAgain(job, read)
  warnOfProgram(transfer.programs, job)
  const config = { mediaType: OCI_CONFIG, digest: digestBytes(configBytes), size: configBytes.length }
  return finish(job, { config, bytes: configBytes, layers, manifest })
}

/** Reads from the engine what is missing, and no more. @throws ImgctlError UNSUPPORTED when the engine does not do that */
async function transferPicked(job: TransferJob, transfer: LayerTransfer): Promise<Transferred> {
  const { source, plan, onEvent, signal } = job
  const missing = plan.layers.filter(({ exists }) => !exists)
  onEvent({ type: 'phase', phase: 'export' })
  reportReuse({ layers: plan.layers.filter(({ exists }) => exists) }, onEvent)
  const sent = new Map<Digest, Descriptor>()
  const send: TransferLayer = async (layer, layerSignal) => {
    const blob = await transfer.send(layer, layerSignal)
    sent.set(layer.diffID!, blob)
    return blob
  }
  const read = () => {
    const wanted = missing.map(({ diffID }) => diffID).filter((diffID) => !sent.has(diffID))
    return source.pickLayers!(new Set(wanted), send, signal)
  }
  const bytes = await orAgain(job, read)
  warnOfProgram(transfer.programs, job)
  const layers = plan.layers.map(({ diffID, descriptor }) => sent.get(diffID) ?? descriptor!)
  const config = { mediaType: OCI_CONFIG, digest: digestBytes(bytes), size: bytes.length }
  return finish(job, { config, bytes, layers })
}

/** What an engine sends cannot be read again from its middle. What it brought so far stays. */
async function orAgain<T>({ source, onEvent }: TransferJob, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!isCode(error, 'UPLOAD_LOST') || source.kind !== 'engine') throw error
    onEvent({ type: 'note', message: `${error.message}, reading the image again` })
    return read()
  }
}

interface Content {
  readonly config: Descriptor
  /** Undefined: the registry has it. */
  readonly bytes: Uint8Array | undefined
  readonly layers: readonly Descriptor[]
  readonly manifest?: SourceManifest | undefined
}

/** The config and the manifest, when every layer is there; and what the next push may know. */
async function finish(job: TransferJob, { config, bytes, layers, manifest }: Content): Promise<Transferred> {
  const { source, plan, repository, tag, cache, signal } = job
  if (bytes && !(plan.config?.exists && plan.config.descriptor.digest === config.digest)) {
    await uploadConfig(config, bytes, job)
  }
  const own = manifest ?? source.manifest ?? (await earlierManifest(job, config, layers))
  const made = holds(own, layers)
    ? { bytes: own.bytes, mediaType: own.parsed.mediaType }
    : newManifest(config, layers)
  const name = tag ?? digestBytes(made.bytes)
  const digest = await repository.writeManifest(name, made.mediaType, made.bytes, signal)
  const { host, repository: path } = repository.location
  const blobs = new Map(source.diffIDs.map((diffID, i) => [diffID, layers[i]!]))
  const descriptor = { mediaType: made.mediaType, digest, size: made.bytes.length }
  const documents = bytes ? [made.bytes, bytes] : [made.bytes]
  const image = { config: config.digest, manifest: descriptor, documents }
  await cache.remember({ registry: host, repository: path, blobs, image })
  return { descriptor }
}

/** The manifest that these very blobs had before: then the image keeps its digest, whoever pushed it. */
async function earlierManifest(
  { cache, repository }: TransferJob,
  config: Descriptor,
  layers: readonly Descriptor[],
): Promise<SourceManifest | undefined> {
  for (const { descriptor } of await cache.find(config.digest, repository.location.host)) {
    const bytes = await cache.document(descriptor.digest)
    const parsed = bytes && parseManifest(bytes, descriptor.mediaType)
    if (parsed?.kind !== 'manifest' || parsed.config.digest !== config.digest) continue
    const own = { bytes: bytes!, digest: descriptor.digest, parsed }
    if (holds(own, layers)) return own
  }
  return undefined
}

/** A config may say amd64 over a program for arm64: such an image starts nowhere. */
function warnOfProgram(found: readonly string[], { source, onEvent }: TransferJob): void {
  const { architecture } = source.platform
  if (found.length === 0 || found.includes(architecture)) return
  const message = `warning: the image says ${architecture}, but its ${source.command[0]} is a program for ${found.join(', ')}`
  onEvent({ type: 'note', message })
}

function reportReuse({ layers }: Pick<PushPlan, 'layers'>, onEvent: TransferJob['onEvent']): void {
  for (const { diffID, descriptor } of layers) {
    const size = descriptor?.size ?? 0
    onEvent({ type: 'layer', label: shortDigest(diffID), status: 'exists', done: size, total: size })
  }
}

async function uploadConfig(
  config: Descriptor,
  bytes: Uint8Array,
  { repository, signal, distrusts }: TransferJob,
): Promise<void> {
  if (!distrusts && (await repository.blobSize(config.digest, signal)) !== undefined) return
  const open = (offset: number) => Readable.from([Buffer.from(bytes.subarray(offset))], { objectMode: false })
  await repository.writeBlob(config, open, signal ? { signal } : {})
}

/** Whether the image's own manifest describes what was sent: then the image keeps its digest. */
function holds(own: SourceManifest | undefined, layers: readonly Descriptor[]): own is SourceManifest {
  const expected = own?.parsed.layers
  return expected?.length === layers.length && expected.every(({ digest }, i) => digest === layers[i]!.digest)
}

/** What docker calls the same thing: a manifest is to be of one kind. */
const OCI_NAMES: Readonly<Record<string, string>> = {
  [DOCKER_CONFIG]: OCI_CONFIG,
  [DOCKER_LAYER_GZIP]: OCI_LAYER_GZIP,
  [DOCKER_LAYER]: OCI_LAYER,
}

/** https://github.com/opencontainers/image-spec/blob/main/manifest.md */
function newManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
): { bytes: Uint8Array; mediaType: string } {
  const fields = ({ mediaType, digest, size }: Descriptor) => ({
    mediaType: OCI_NAMES[mediaType] ?? mediaType,
    digest,
    size,
  })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: fields(config),
    layers: layers.map(fields),
  }
  return { bytes: new TextEncoder().encode(JSON.stringify(manifest)), mediaType: OCI_MANIFEST }
}
