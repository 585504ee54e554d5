import { ImgctlError, isCode } from '../../errors/error.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import { formatPlatform, LINUX_AMD64, type Platform } from '../../oci/platform.ts'
import { formatReference, parseReference, type Reference, referenceError } from '../../oci/reference.ts'
import type { Engine } from '../../ports/engine.ts'
import type { Repository } from '../../ports/registry.ts'
import type { RegistryCredentialsSource } from '../../ports/registry-credentials.ts'
import { inspectFor } from '../engine-platform.ts'
import { parseImageArgument } from '../image-argument.ts'
import type { BuildChoice } from './built-source.ts'
import { engineFirst } from './engine-first.ts'
import type { PushEvent } from './events.ts'
import { keepBuilt } from './keep-built.ts'
import { assertCompression, type BlobCompression } from './layer-encoder.ts'
import { mountLayers } from './mount.ts'
import { openSource } from './open-source.ts'
import { type PushPlan, planPush } from './plan.ts'
import type { Via } from './push-facts.ts'
import type { PushPorts } from './push-image.ts'
import { confirmContent } from './register.ts'
import type { ImageSource } from './source.ts'
import { surveyPush } from './survey.ts'
import { DEFAULT_CONCURRENCY, type TransferJob } from './transfer.ts'
import { transferDirect } from './transport-direct.ts'
import { pushTagByEngine, standsFor } from './transport-engine-tag.ts'
import { orWithoutPicking } from './without-picking.ts'

export interface RegistryPushPorts
  extends Pick<PushPorts, 'openRepository' | 'engine' | 'blobCache' | 'uploadJournal'> {
  readonly registryCredentials: () => Promise<RegistryCredentialsSource>
}

export interface RegistryPushRequest {
  /** An image of the engine, an archive's path, or `oci:DIR`. With `build`: the name that the image gets here. */
  readonly source: string | undefined
  /** Builds the image first, for the engine's own platform unless it says another. */
  readonly build?: BuildChoice
  readonly image?: string
  /** Which platform of several; without it an engine pushes an index as it is. */
  readonly platform?: Platform
  /** Where it goes: `registry.example/team/app:1.0`, or `team/app:1.0` on Docker Hub. */
  readonly to: string
  readonly via: Via
  /** Layers under way at once. */
  readonly concurrency?: number
  /** What plain layers become; gzip unless it is said. */
  readonly compression?: BlobCompression
  readonly dryRun: boolean
}

export interface RegistryPushed {
  readonly reference: Reference & { readonly tag: string }
  readonly platform: Platform
  /** The manifest, as the registry confirmed it. */
  readonly descriptor: Descriptor
}

export interface RegistryPushResult {
  readonly plan: PushPlan
  /** Undefined after a dry run. */
  readonly pushed: RegistryPushed | undefined
}

/**
 * Gets one image to any registry, with the credentials that docker has for it. No server takes part: the registry
 * decides what a tag may become, and the tag moves when everything is there.
 *
 * @throws ImgctlError NAME_INVALID; as the source, the registry and the engine
 */
export async function pushToRegistry(
  ports: RegistryPushPorts,
  request: RegistryPushRequest,
  onEvent: (event: PushEvent) => void,
  signal?: AbortSignal,
): Promise<RegistryPushResult> {
  onEvent({ type: 'phase', phase: 'prepare' })
  const reference = targetReference(request.to)
  if (request.compression) assertCompression(request.compression)
  // A program that keeps credentials may take its time: meanwhile the image is looked at.
  const opened = openRepository(ports, reference, signal)
  opened.catch(() => {})
  const source = await (request.build
    ? buildChosen(ports, { ...request, build: request.build }, onEvent, signal)
    : openChosen(ports, request, signal))
  try {
    const { title, platform } = source
    const name = formatReference(reference)
    onEvent({ type: 'source', title, name, platform: formatPlatform(platform) })
    const repository = await opened
    onEvent({ type: 'repository', repository: `${reference.domain}/${reference.path}` })
    const info = source.kind === 'engine' ? await (await ports.engine()).info(signal) : undefined
    const { blobCache: cache, uploadJournal: journal } = ports
    const { concurrency = DEFAULT_CONCURRENCY, compression = 'gzip' } = request
    const facts = await surveyPush(
      asPushed(source, request.platform),
      info,
      { via: request.via, compression },
      { repository, cache },
      signal,
    )
    const intended = planPush(facts)
    onEvent({ type: 'plan', plan: intended })
    if (request.dryRun) return { plan: intended, pushed: undefined }
    noteWhatStays(source, request.platform, onEvent)
    const plan = planPush(await mountLayers(facts, async () => repository, onEvent, signal))
    const sending = { repository, cache, journal, concurrency, compression, onEvent, signal }
    const job = { source, plan, tag: reference.tag, ...sending }
    const descriptor = await orWithoutPicking(job, (planned) =>
      transfer(planned, reference, request, ports.engine),
    )
    onEvent({ type: 'pushed', digest: descriptor.digest, size: descriptor.size })
    if (request.build && request.source) await keepBuilt(await ports.engine(), source, request.source, signal)
    return { plan, pushed: { reference, platform, descriptor } }
  } catch (error) {
    throw withLogin(error, reference)
  } finally {
    await source.close()
  }
}

/**
 * Of an archive for several platforms the one that servers run, of an engine's index the engine's own, unless one is
 * chosen.
 *
 * @throws ImgctlError ARCH_MISMATCH
 */
async function openChosen(
  { engine }: RegistryPushPorts,
  { source, image, platform }: RegistryPushRequest,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  const argument = parseImageArgument(source ?? '')
  if (platform && argument.kind === 'image')
    await inspectFor(await engine(), argument.reference, platform, signal)
  const platforms = async () => {
    if (platform) return [platform]
    return argument.kind === 'image' ? [] : [LINUX_AMD64]
  }
  return openSource(argument, image, engine, platforms, signal)
}

/** The tag is to stand for the chosen platform's manifest, or else for the index as it is: no other one will do. */
function asPushed(source: ImageSource, chosen: Platform | undefined): ImageSource {
  const { manifestDigests } = source
  return { ...source, manifestDigests: chosen ? manifestDigests.slice(0, 1) : manifestDigests.slice(-1) }
}

async function buildChosen(
  ports: RegistryPushPorts,
  { source, to, build }: RegistryPushRequest & { readonly build: BuildChoice },
  onEvent: (event: PushEvent) => void,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  if (source !== undefined) parseReference(source)
  const [engine, credentials] = [await ports.engine(), await ports.registryCredentials()]
  const platform = build.platform ?? (await engine.info(signal)).platform
  const { builtSource } = await import('./built-source.ts')
  return builtSource({ engine, credentials }, { ...build, platform }, source ?? to, onEvent, signal)
}

/** An engine pushes an index only with all that it names; else one of its images, in silence. */
function noteWhatStays(
  { title, platform, variants }: ImageSource,
  chosen: Platform | undefined,
  onEvent: (event: PushEvent) => void,
): void {
  const absent = variants
    .filter(({ isPresent }) => !isPresent)
    .map((variant) => formatPlatform(variant.platform))
  if (chosen !== undefined || absent.length === 0) return
  const message = `${title} is not whole here (${absent.join(', ')} was not pulled): ${formatPlatform(platform)} alone goes`
  onEvent({ type: 'note', message })
}

/** These credentials are docker's to keep. */
function withLogin(error: unknown, { domain }: Reference): unknown {
  if (!isCode(error, 'AUTH_REQUIRED')) return error
  const { code, message, status } = error
  return new ImgctlError(code, message, {
    hint: `log in to it: docker login ${domain}`,
    cause: error,
    ...(status === undefined ? {} : { status }),
  })
}

function targetReference(text: string): Reference & { readonly tag: string } {
  const reference = parseReference(text)
  if (reference.digest !== undefined) {
    const rule = 'what an image is pushed to has a tag; its digest follows from its content'
    throw referenceError(text, { rule, position: text.indexOf('@') })
  }
  return { tag: 'latest', ...reference }
}

async function openRepository(
  ports: RegistryPushPorts,
  { domain, path }: Reference,
  signal: AbortSignal | undefined,
): Promise<Repository> {
  const source = await ports.registryCredentials()
  const credentials = await source.credentialsFor(domain, { repository: path, signal })
  return ports.openRepository({
    host: domain,
    repository: path,
    ...(credentials ? { credentials } : {}),
  })
}

/**
 * The engine pushes the tag itself where that is cheapest; else the blobs go first, the manifest under its tag last.
 *
 * @returns what the tag stands for now, confirmed by the registry
 */
async function transfer(
  job: TransferJob,
  reference: Reference & { readonly tag: string },
  { via, platform }: RegistryPushRequest,
  openEngine: () => Promise<Engine>,
): Promise<Descriptor> {
  const fromHere = async () => {
    const { descriptor } = await transferDirect(job)
    await confirmContent(job.repository, reference.tag, descriptor.digest, job.signal)
    return descriptor
  }
  if (job.plan.transport !== 'engine' || job.plan.manifest) return fromHere()
  const engine = await openEngine()
  const target = formatReference(reference)
  const before = await standsFor(engine, job.source, target, job.signal)
  if (before === 'another') {
    if (via === 'engine') throw otherImage(target)
    job.onEvent({ type: 'note', message: `${target} is another image in the engine, sending it from here` })
    return fromHere()
  }
  // Only the engine brings all platforms of an index.
  const isOnlyEngines = via === 'engine' || (!platform && job.source.variants.length > 0)
  const named = { target, tag: reference.tag, isThere: before === 'this' }
  const byEngine = () =>
    pushTagByEngine(job, engine, { ...named, platform: platform && job.source.enginePlatform })
  return isOnlyEngines ? byEngine() : engineFirst(job, byEngine, fromHere)
}

function otherImage(target: string): ImgctlError {
  return new ImgctlError('CONFLICT', `${target} is another image in the engine, and it would push that one`, {
    hint: 'push past the engine (--via direct), or give the image that name first: imgctl image tag',
  })
}
