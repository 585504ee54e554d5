import type { CreateImage, Image } from '../../contract/image.ts'
import type { ServerConfig } from '../../contract/server.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { formatPlatform } from '../../oci/platform.ts'
import type { BlobCache } from '../../ports/blob-cache.ts'
import type { OpenRepository, Repository } from '../../ports/registry.ts'
import type { Server } from '../../ports/server.ts'
import type { UploadJournal } from '../../ports/upload-journal.ts'
import { waitForImage } from '../wait-image.ts'
import { engineFirst } from './engine-first.ts'
import type { PushEvent } from './events.ts'
import { keepBuilt } from './keep-built.ts'
import { assertCompression, type BlobCompression } from './layer-encoder.ts'
import { mountLayers } from './mount.ts'
import { type NamedSourcePorts, type NamedSourceRequest, openNamedSource } from './named-source.ts'
import { type PushPlan, planPush } from './plan.ts'
import { checkPlatform } from './platform-check.ts'
import type { Via } from './push-facts.ts'
import { confirmTag, findSameImage } from './register.ts'
import { openServerRepository, type ServerRepository } from './server-repository.ts'
import type { ImageSource } from './source.ts'
import { completeFacts, surveyPush } from './survey.ts'
import { DEFAULT_CONCURRENCY, type TransferJob, type Transferred } from './transfer.ts'
import { transferDirect } from './transport-direct.ts'
import { transferByEngine } from './transport-engine.ts'
import { orWithoutPicking } from './without-picking.ts'

export interface PushPorts extends NamedSourcePorts {
  readonly server: Server
  readonly openRepository: OpenRepository
  readonly blobCache: BlobCache
  readonly uploadJournal: UploadJournal
}

export interface PushRequest extends NamedSourceRequest {
  readonly via: Via
  /** Layers under way at once. */
  readonly concurrency?: number
  /** What plain layers become; gzip unless it is said. */
  readonly compression?: BlobCompression
  /** What the server keeps of the image besides its content. */
  readonly record: Pick<CreateImage, 'entrypoint' | 'labels' | 'visibility' | 'description'>
  /** Waits for `active`, at most this long; undefined: returns once the image is registered. */
  readonly waitMs: number | undefined
  /** Stop after the plan: nothing is sent. */
  readonly dryRun: boolean
}

export interface Pushed {
  readonly image: Image
  /** The manifest, as the registry confirmed it. */
  readonly descriptor: Descriptor
}

export interface PushResult {
  readonly plan: PushPlan
  /** Undefined after a dry run. */
  readonly pushed: Pushed | undefined
}

interface PushRun {
  readonly ports: PushPorts
  readonly request: PushRequest
  readonly onEvent: (event: PushEvent) => void
  readonly signal: AbortSignal | undefined
}

/**
 * Gets one image to the server: source, platform check, plan, transfer, registration, wait. Nothing is sent before
 * the checks passed, and no name moves before the server agreed.
 */
export async function pushImage(
  ports: PushPorts,
  request: PushRequest,
  onEvent: (event: PushEvent) => void,
  signal?: AbortSignal,
): Promise<PushResult> {
  const run = { ports, request, onEvent, signal }
  onEvent({ type: 'phase', phase: 'prepare' })
  let asked: Promise<ServerConfig> | undefined
  const config = () => {
    asked ??= ports.server.config(signal)
    return asked
  }
  if (request.compression) assertCompression(request.compression, (await config()).compression)
  const { source, name } = await openNamedSource({ ...run, config })
  try {
    const { title, platform } = source
    checkPlatform(source, (await config()).platforms)
    onEvent({ type: 'source', title, name: formatImageName(name), platform: formatPlatform(platform) })
    const target = await openServerRepository(ports, name, (await config()).registry.secure, signal)
    const { host, repository: path } = target.repository.location
    onEvent({ type: 'repository', repository: `${host}/${path}` })
    const result = await pushSource(run, source, name, target)
    if (request.build && request.source && result.pushed) {
      await keepBuilt(await ports.engine(), source, request.source, signal)
    }
    return result
  } finally {
    await source.close()
  }
}

async function pushSource(
  run: PushRun,
  source: ImageSource,
  name: ImageName,
  { repository, withOthers }: ServerRepository,
): Promise<PushResult> {
  const { ports, request, onEvent, signal } = run
  const there = await findSameImage(ports.server, repository, source, name, signal)
  const info = source.kind === 'engine' ? await (await ports.engine()).info(signal) : undefined
  const survey = { repository, cache: ports.blobCache }
  const { via, compression = 'gzip' } = request
  const choice = { via, compression }
  const facts = there
    ? completeFacts(source, info, choice, there)
    : await surveyPush(source, info, choice, survey, signal)
  const intended = planPush(facts)
  onEvent({ type: 'plan', plan: intended })
  if (request.dryRun) return { plan: intended, pushed: undefined }

  const plan = planPush(await mountLayers(facts, withOthers, onEvent, signal))
  const { descriptor, release } = await orWithoutPicking(transferJob(run, source, plan, repository), (job) =>
    transfer(job, run),
  )
  let released: Promise<void> | undefined
  try {
    const image = await named(run, name, descriptor, repository)
    // It has its name: the rest need not wait for this.
    released = release?.()
    return { plan, pushed: { image: await settle(run, image), descriptor } }
  } finally {
    await (released ?? release?.())
  }
}

/** Registers what was pushed, and confirms that the name stands for it. */
async function named(
  run: PushRun,
  name: ImageName,
  descriptor: Descriptor,
  repository: Repository,
): Promise<Image> {
  run.onEvent({ type: 'pushed', digest: descriptor.digest, size: descriptor.size })
  const image = await register(run, name, descriptor)
  await confirmTag(repository, name, descriptor.digest, run.signal)
  return image
}

function transferJob(
  { ports, request, onEvent, signal }: PushRun,
  source: ImageSource,
  plan: PushPlan,
  repository: Repository,
): TransferJob {
  const { blobCache: cache, uploadJournal: journal } = ports
  const { concurrency = DEFAULT_CONCURRENCY, compression = 'gzip' } = request
  return { source, plan, repository, cache, journal, concurrency, compression, onEvent, signal }
}

async function transfer(job: TransferJob, { ports, request }: PushRun): Promise<Transferred> {
  const fromHere = () => transferDirect(job)
  if (job.plan.transport === 'direct' || job.plan.manifest) return fromHere()
  const byEngine = async () => transferByEngine(job, await ports.engine())
  return request.via === 'engine' ? byEngine() : engineFirst(job, byEngine, fromHere)
}

async function register(run: PushRun, name: ImageName, { digest }: Descriptor): Promise<Image> {
  const { ports, request, onEvent, signal } = run
  onEvent({ type: 'phase', phase: 'register' })
  const body = { name: formatImageName(name), digest, source: { kind: 'pushed' as const }, ...request.record }
  return ports.server.createImage(body, signal)
}

async function settle(run: PushRun, image: Image): Promise<Image> {
  const { ports, request, onEvent, signal } = run
  if (request.waitMs === undefined) return image
  onEvent({ type: 'phase', phase: 'validate' })
  return waitForImage(ports.server, image.id, {
    deadlineMs: request.waitMs,
    from: image,
    onState: (state) => onEvent({ type: 'state', image: state }),
    ...(signal ? { signal } : {}),
  })
}
