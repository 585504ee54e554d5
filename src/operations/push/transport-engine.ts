import { buffer } from 'node:stream/consumers'
import { type Descriptor, parseManifest, pickPlatform } from '../../oci/manifest.ts'
import type { EngineLayerProgress, EnginePush } from '../../ports/engine-push.ts'
import type { ManifestContent, Repository } from '../../ports/registry.ts'
import { pushAgain } from './engine-first.ts'
import type { LayerStatus, PushEvent } from './events.ts'
import { PassingTag } from './passing-tag.ts'
import { newStagingTag, sweepStagingTags } from './staging-tag.ts'
import type { TransferJob, Transferred } from './transfer.ts'

/** A larger config is read from the engine again. */
const MAX_CONFIG_BYTES = 1024 * 1024
/** After an interrupt, removing the staging tag from the registry may take this long; the server expires it anyway. */
const CLEANUP_MS = 200

/**
 * Lets the engine push, under a staging tag, so that no name of the user's moves, here or there, before the server
 * agreed. The tag is removed from the engine on every way out; `release` removes it from the registry.
 */
export async function transferByEngine(job: TransferJob, engine: EnginePush): Promise<Transferred> {
  const { source, repository, onEvent, signal } = job
  const { host, repository: path, credentials, secure } = repository.location
  const stagingTag = newStagingTag()
  const target = `${host}/${path}:${stagingTag}`
  // The next run removes it if the engine cannot now.
  const tag = new PassingTag(engine, target, ({ message }) =>
    onEvent({ type: 'note', message: `the engine keeps ${target} until the next push: ${message}` }),
  )
  const release = () =>
    repository.deleteManifest(stagingTag, AbortSignal.timeout(CLEANUP_MS)).catch(() => undefined)

  onEvent({ type: 'phase', phase: 'push' })
  try {
    const [left] = await Promise.all([sweepStagingTags(engine, signal), tag.add(source, signal)])
    for (const name of left) {
      onEvent({ type: 'note', message: `removed ${name}, left by a run that was killed` })
    }
    const auth = credentials && { ...credentials, registry: host }
    const { digest } = await pushAgain(engine, job, target, auth, {
      secure,
      ...(source.enginePlatform ? { platform: source.enginePlatform } : {}),
      onProgress: (progress) => onEvent(layerEvent(progress)),
      ...(signal ? { signal } : {}),
    })
    const pushed = repository.readManifest(digest, signal)
    const [descriptor] = await Promise.all([learnedDescriptor(job, pushed), tag.remove()])
    return { descriptor, release }
  } catch (error) {
    await Promise.all([release(), tag.remove()])
    throw error
  }
}

/** What the registry has after a push by the engine; what it says of its layers is remembered for the next push. */
export async function learnedDescriptor(
  job: TransferJob,
  reading: Promise<ManifestContent>,
): Promise<Descriptor> {
  const pushed = await reading
  // Not knowing costs the next push time: it is no failure of this one.
  await learn(job, pushed).catch(() => job.signal?.throwIfAborted())
  return { mediaType: pushed.mediaType, digest: pushed.digest, size: pushed.bytes.length }
}

async function learn(job: TransferJob, pushed: ManifestContent): Promise<void> {
  const { cache, source, repository, signal } = job
  const content = await platformManifest(job, pushed)
  const parsed = content && parseManifest(content.bytes, content.mediaType)
  if (parsed?.kind !== 'manifest' || parsed.layers.length !== source.diffIDs.length) return
  const { digest: config } = parsed.config
  // Whoever does not know an image by its config will not ask for it.
  const isWanted = source.configDigest !== undefined
  const configBytes =
    (await cache.document(config)) ??
    (isWanted ? await readConfig(parsed.config, repository, signal) : undefined)
  const { host, repository: path } = repository.location
  const { digest, mediaType, bytes } = content!
  await cache.remember({
    registry: host,
    repository: path,
    blobs: new Map(source.diffIDs.map((diffID, i) => [diffID, parsed.layers[i]!])),
    image: {
      config,
      manifest: { mediaType, digest, size: bytes.length },
      documents: configBytes ? [bytes, configBytes] : [bytes],
    },
  })
}

/** The manifest of the image's platform; an engine with the containerd store pushes an index of several. */
async function platformManifest(
  { source, repository, signal }: TransferJob,
  pushed: ManifestContent,
): Promise<ManifestContent | undefined> {
  const parsed = parseManifest(pushed.bytes, pushed.mediaType)
  if (parsed.kind === 'manifest') return pushed
  const wanted = pickPlatform(parsed, source.platform)
  return wanted && repository.readManifest(wanted.digest, signal)
}

async function readConfig(
  config: Descriptor,
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (config.size > MAX_CONFIG_BYTES) return undefined
  return buffer(await repository.readBlob(config, signal))
}

/** The engine's words for what a layer does, in ours. */
const STATUS: Readonly<Record<string, LayerStatus>> = {
  Preparing: 'waiting',
  Waiting: 'waiting',
  Pushing: 'pushing',
  Pushed: 'pushed',
  'Layer already exists': 'exists',
}

export function layerEvent({ layer, status, current, total }: EngineLayerProgress): PushEvent {
  const known = status.startsWith('Mounted from') ? 'mounted' : STATUS[status]
  return { type: 'layer', label: layer, status: known ?? 'pushing', done: current ?? 0, total }
}
