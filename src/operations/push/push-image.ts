import { defaultName } from '../../build/default-name.ts'
import type { CreateImage, Image } from '../../contract/image.ts'
import type { ServerConfig } from '../../contract/server.ts'
import { ImgctlError, isCode } from '../../errors/error.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { formatPlatform, LINUX_AMD64, type Platform, parsePlatform } from '../../oci/platform.ts'
import type { BlobCache } from '../../ports/blob-cache.ts'
import type { Engine } from '../../ports/engine.ts'
import type { EngineBuild } from '../../ports/engine-build.ts'
import type { OpenRepository, Repository } from '../../ports/registry.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import type { Server } from '../../ports/server.ts'
import type { UploadJournal } from '../../ports/upload-journal.ts'
import { waitForImage } from '../wait-image.ts'
import type { BuildChoice } from './built-source.ts'
import { engineFirst } from './engine-first.ts'
import type { PushEvent } from './events.ts'
import { assertCompression, type BlobCompression } from './layer-encoder.ts'
import { mountLayers } from './mount.ts'
import { openSource } from './open-source.ts'
import { type PushPlan, planPush } from './plan.ts'
import { checkPlatform } from './platform-check.ts'
import type { Via } from './push-facts.ts'
import { confirmTag, findSameImage } from './register.ts'
import { openServerRepository, type ServerRepository } from './server-repository.ts'
import type { ImageSource } from './source.ts'
import { completeFacts, surveyPush } from './survey.ts'
import { checkName, parseArgument, targetName, typedReference } from './target.ts'
import { DEFAULT_CONCURRENCY, type TransferJob, type Transferred } from './transfer.ts'
import { transferDirect } from './transport-direct.ts'
import { transferByEngine } from './transport-engine.ts'
import { orWithoutPicking } from './without-picking.ts'

export interface PushPorts {
  readonly server: Server
  readonly openRepository: OpenRepository
  /** Called only for an image that is in an engine, or built there. */
  readonly engine: () => Promise<Engine & EngineBuild>
  /** The user's credentials for the registries of base images. */
  readonly credentials: () => Promise<RegistryCredentialsSource>
  readonly blobCache: BlobCache
  readonly uploadJournal: UploadJournal
  /** For git, which names what is built without a name. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface PushRequest {
  /**
   * An image of the engine, an archive's path, or `oci:DIR`. With `build`: the name that the image gets here and on
   * the server.
   */
  readonly source: string | undefined
  /** Builds the image first. */
  readonly build?: BuildChoice
  /** Which image of an archive that holds several. */
  readonly image?: string
  /** Which platform of several, instead of the first that the server runs. */
  readonly platform?: Platform
  /** The name on the server, when it is not the source's. */
  readonly name?: string
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
  const accepted = async () => (await config()).platforms
  if (request.compression) assertCompression(request.compression, (await config()).compression)
  const { source, name } = await (request.build
    ? buildNamed(run, request.build, await config())
    : openNamed(run, accepted))
  try {
    const { title, platform } = source
    checkPlatform(source, await accepted())
    onEvent({ type: 'source', title, name: formatImageName(name), platform: formatPlatform(platform) })
    const target = await openServerRepository(ports, name, (await config()).registry.secure, signal)
    const { host, repository: path } = target.repository.location
    onEvent({ type: 'repository', repository: `${host}/${path}` })
    const result = await pushSource(run, source, name, target)
    if (request.build && request.source && result.pushed) await keepBuilt(run, source, request.source)
    return result
  } finally {
    await source.close()
  }
}

interface Named {
  readonly source: ImageSource
  readonly name: ImageName
}

/** What is there already: in the engine, an archive or a layout. A name that cannot be one is refused first. */
async function openNamed(run: PushRun, accepted: () => Promise<readonly string[]>): Promise<Named> {
  const { ports, request, signal } = run
  const argument = parseArgument(request.source ?? '')
  checkName(request.name, argument)
  const platforms = async () =>
    request.platform ? [request.platform] : (await accepted()).flatMap((text) => parsePlatform(text) ?? [])
  const source = await openSource(argument, request.image, ports.engine, platforms, signal)
  try {
    return { source, name: targetName(request.name, typedReference(argument), source.repoTags) }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** What is built now. Its name and platform are checked before the build, which may take long. */
async function buildNamed(run: PushRun, build: BuildChoice, config: ServerConfig): Promise<Named> {
  const { request, onEvent } = run
  const accepted = config.platforms
  const name = request.name ?? request.source ?? (await nameOfFolder(run, build.folder))
  const parsed = targetName(name, undefined, [])
  const platform = build.platform ?? parsePlatform(accepted[0] ?? '') ?? LINUX_AMD64
  const title = formatImageName(parsed)
  checkPlatform({ title, platform, variants: [], engineReference: undefined }, accepted)
  onEvent({ type: 'note', message: `building ${title}` })
  try {
    return { source: await buildInEngine(run, { ...build, platform }, title), name: parsed }
  } catch (error) {
    throw config.builder && isCode(error, 'ENGINE_UNREACHABLE') ? orBuiltByServer(error) : error
  }
}

async function buildInEngine(
  { ports, onEvent, signal }: PushRun,
  build: BuildChoice & { readonly platform: Platform },
  title: string,
): Promise<ImageSource> {
  const tools = { engine: await ports.engine(), credentials: await ports.credentials() }
  // What builds is loaded by those who build.
  const { builtSource } = await import('./built-source.ts')
  return builtSource(tools, build, title, onEvent, signal)
}

/** An engine is not the only way when the server builds. */
function orBuiltByServer(error: ImgctlError): ImgctlError {
  const { code, message, context, cause } = error
  const hint = `${error.hint ?? 'start Docker or Podman'}; or let the server build: POST /api/images/build`
  return new ImgctlError(code, message, { context, hint, cause })
}

async function nameOfFolder({ ports, signal }: PushRun, folder: string): Promise<string> {
  const { environment } = ports
  return formatImageName(
    await defaultName({ folder, environment, now: new Date(), ...(signal ? { signal } : {}) }),
  )
}

/** The user named the image: then it is theirs to keep, as after `docker build -t`. */
async function keepBuilt({ ports, signal }: PushRun, source: ImageSource, reference: string): Promise<void> {
  const engine = await ports.engine()
  if (source.engineReference) await engine.tagImage(source.engineReference, reference, signal)
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
