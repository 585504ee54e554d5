import { isCode } from '../../errors/error.ts'
import { mapLimit } from '../../internal/concurrency.ts'
import { type Digest, digestBytes } from '../../oci/digest.ts'
import { type Descriptor, parseManifest } from '../../oci/manifest.ts'
import { OCI_CONFIG } from '../../oci/media-types.ts'
import type { BlobCache, KnownBlob } from '../../ports/blob-cache.ts'
import type { EngineInfo } from '../../ports/engine.ts'
import type { ManifestContent, Repository } from '../../ports/registry.ts'
import {
  isComplete,
  type PlannedConfig,
  type PlannedLayer,
  type PushChoice,
  type PushFacts,
} from './push-facts.ts'
import type { ImageSource } from './source.ts'

export interface SurveyPorts {
  readonly repository: Repository
  readonly cache: BlobCache
}

/** HEAD requests at once: enough to hide latency, few enough for a registry's connection limit. */
const CHECKS_AT_ONCE = 6

/** Asks the repository what it has of an image. No layer is read. */
export async function surveyPush(
  source: ImageSource,
  engine: EngineInfo | undefined,
  choice: PushChoice,
  ports: SurveyPorts,
  signal: AbortSignal | undefined,
): Promise<PushFacts> {
  const manifest = await findManifest(source, ports, signal)
  if (manifest) return completeFacts(source, engine, choice, manifest)
  const checked = mapLimit(
    source.diffIDs,
    CHECKS_AT_ONCE,
    (diffID, i, checks) => planLayer(diffID, source.manifest?.parsed.layers[i], ports, checks),
    signal,
  )
  const [layers, config] = await Promise.all([checked, planConfig(source, ports, signal)])
  const facts = { source, engine, ...choice, manifest, config, layers }
  if (isComplete(facts)) return facts
  const sizes = await source.layerSizes(signal)
  return {
    ...facts,
    layers: layers.map((layer) => ({ ...layer, storedSize: sizes?.get(layer.diffID) })),
  }
}

/** The facts when the repository has the whole image already. */
export function completeFacts(
  source: ImageSource,
  engine: EngineInfo | undefined,
  choice: PushChoice,
  manifest: ManifestContent,
): PushFacts {
  return { source, engine, ...choice, manifest, config: undefined, layers: layersOf(source, manifest) }
}

async function planLayer(
  diffID: Digest,
  own: Descriptor | undefined,
  { repository, cache }: SurveyPorts,
  signal: AbortSignal,
): Promise<PlannedLayer> {
  const { host, repository: path } = repository.location
  const known = await cache.find(diffID, host)
  const candidates = own ? [ownBlob(own, known)] : known
  const plan = { diffID, mountFrom: [], storedSize: undefined }
  for (const { descriptor } of candidates) {
    const size = await repository.blobSize(descriptor.digest, signal)
    if (size === descriptor.size) return { ...plan, descriptor, exists: true }
  }
  const elsewhere = (blob: KnownBlob) => blob.repositories.filter((other) => other !== path)
  const best = candidates.find((blob) => elsewhere(blob).length > 0) ?? candidates[0]
  return { ...plan, descriptor: best?.descriptor, exists: false, mountFrom: best ? elsewhere(best) : [] }
}

/** An image that has a manifest keeps its own blobs: no other of the same content will do. */
function ownBlob(own: Descriptor, known: readonly KnownBlob[]): KnownBlob {
  const seen = known.find(({ descriptor }) => descriptor.digest === own.digest)
  return { descriptor: own, repositories: seen?.repositories ?? [] }
}

async function planConfig(
  { manifest, configDigest, configBytes }: ImageSource,
  { repository, cache }: SurveyPorts,
  signal: AbortSignal | undefined,
): Promise<PlannedConfig | undefined> {
  const own = manifest?.parsed.config
  const digest = own?.digest ?? configDigest
  if (digest === undefined) return undefined
  const isThis = configBytes !== undefined && digestBytes(configBytes) === digest
  const bytes = isThis ? configBytes : await cache.document(digest)
  const found = await repository.blobSize(digest, signal)
  const size = found ?? bytes?.length
  if (size === undefined) return undefined
  return { descriptor: own ?? { mediaType: OCI_CONFIG, digest, size }, exists: found !== undefined, bytes }
}

/** The image's own manifest, when the repository has it with every blob that it names. */
async function findManifest(
  { manifestDigests }: ImageSource,
  { repository }: SurveyPorts,
  signal: AbortSignal | undefined,
): Promise<ManifestContent | undefined> {
  for (const digest of manifestDigests) {
    const content = await readWhole(digest, repository, signal)
    if (content) return content
  }
  return undefined
}

async function readWhole(
  digest: Digest,
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<ManifestContent | undefined> {
  let content: ManifestContent
  try {
    content = await repository.readManifest(digest, signal)
  } catch (error) {
    if (isCode(error, 'IMAGE_NOT_FOUND', 'NOT_FOUND', 'MANIFEST_INVALID')) return undefined
    throw error
  }
  const parsed = parseManifest(content.bytes, content.mediaType)
  if (parsed.kind === 'index') return content
  const sizes = await mapLimit(
    [parsed.config, ...parsed.layers],
    CHECKS_AT_ONCE,
    async ({ digest, size }, _, checks) => (await repository.blobSize(digest, checks)) === size,
    signal,
  )
  return sizes.every((isThere) => isThere) ? content : undefined
}

function layersOf({ diffIDs }: ImageSource, { bytes, mediaType }: ManifestContent): PlannedLayer[] {
  const parsed = parseManifest(bytes, mediaType)
  const blobs = parsed.kind === 'manifest' && parsed.layers.length === diffIDs.length ? parsed.layers : []
  const there = { exists: true, mountFrom: [], storedSize: undefined }
  return diffIDs.map((diffID, i) => ({ ...there, diffID, descriptor: blobs[i] }))
}
