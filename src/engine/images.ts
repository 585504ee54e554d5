import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { normalizePlatform, type Platform } from '../oci/platform.ts'
import type { EngineImage, EngineInfo } from '../ports/engine.ts'
import type { EngineConnection } from './connection.ts'
import { imageList } from './image-list.ts'
import { asFields, type Fields, numberAt, stringAt, stringsAt } from './json-fields.ts'
import { engineName, familiarTag } from './names.ts'
import { nearNames } from './near-names.ts'
import { betterVariant, platformQuery, readVariants, takesPlatform, tellsManifests } from './platforms.ts'

/** How an engine with containerd's image store names it in DriverStatus (`docker info`). */
const CONTAINERD_STORE = 'io.containerd.snapshotter.v1'
/**
 * Docker pushes the five topmost layers at once and then the next (moby config.DefaultMaxConcurrentUploads,
 * distribution/push_v2.go): four that wait leave one that goes on.
 */
const PASSED_OVER = 4

export async function engineInfo(engine: EngineConnection, signal?: AbortSignal): Promise<EngineInfo> {
  const [version, info] = (
    await Promise.all([
      engine.json({ method: 'GET', path: '/version', signal }),
      engine.json({ method: 'GET', path: '/info', signal }),
    ])
  ).map(asFields) as [Fields, Fields]
  const store = isContainerdStore(info) ? 'containerd' : 'classic'
  // Podman pushes in another order, and an engine on another machine does not reach a registry on this one.
  const isPicked = engine.product === 'docker' && engine.endpoint.kind === 'socket' && store === 'classic'
  return {
    product: engine.product,
    version: stringAt(version, 'Version') ?? 'unknown',
    apiVersion: engine.apiVersion,
    store,
    platform: normalizePlatform({
      os: stringAt(version, 'Os') ?? stringAt(info, 'OSType') ?? 'linux',
      architecture: stringAt(version, 'Arch') ?? stringAt(info, 'Architecture') ?? 'unknown',
    }),
    host: engine.endpoint.host,
    ...(isPicked ? { passesOver: PASSED_OVER } : {}),
  }
}

/** DriverStatus is a list of [name, value]. */
function isContainerdStore(info: Fields): boolean {
  const rows = info['DriverStatus']
  return Array.isArray(rows) && rows.some((row) => Array.isArray(row) && row[1] === CONTAINERD_STORE)
}

/**
 * An image by name, name@digest, id or short id; as EngineImages.inspectImage.
 *
 * @throws ImgctlError NAME_INVALID; IMAGE_NOT_FOUND with the names that may have been meant
 */
export async function inspectImage(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
  platforms: readonly Platform[] = [],
): Promise<EngineImage> {
  try {
    const manifests = tellsManifests(engine) ? { manifests: '1' } : {}
    const image = readImage(await inspect(engine, reference, manifests, signal))
    const better = takesPlatform(engine, 'inspect') ? betterVariant(image, platforms) : undefined
    if (better === undefined) return image
    const query = platformQuery(engine, 'inspect', better.platform)
    return { ...readImage(await inspect(engine, reference, query, signal)), variants: image.variants }
  } catch (error) {
    if (!(error instanceof ImgctlError) || error.code !== 'IMAGE_NOT_FOUND') throw error
    throw imageNotFound(reference, nearNames(reference, await knownNames(engine, signal)))
  }
}

/** As EnginePush.imageId. */
export async function imageId(
  engine: EngineConnection,
  reference: string,
  signal?: AbortSignal,
): Promise<Digest | undefined> {
  try {
    return readDigest(stringAt(await inspect(engine, reference, {}, signal), 'Id'))
  } catch (error) {
    if (error instanceof ImgctlError && error.code === 'IMAGE_NOT_FOUND') return undefined
    throw error
  }
}

/** The engine's own words. @throws ImgctlError IMAGE_NOT_FOUND */
export async function inspect(
  engine: EngineConnection,
  reference: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Fields> {
  const path = `/images/${engineName(reference)}/json`
  return asFields(await engine.json({ method: 'GET', path, query, signal, refusal: notFound(reference) }))
}

/** For calls that answer 404 when the image is not there. */
export function notFound(reference: string) {
  return (status: number): ImgctlError | undefined =>
    status === 404 ? imageNotFound(reference, []) : undefined
}

export function imageNotFound(reference: string, near: readonly string[]): ImgctlError {
  const hint =
    near.length > 0
      ? `did you mean ${near.join(', ')}?`
      : 'list what the engine has: imgctl image list --local'
  return new ImgctlError('IMAGE_NOT_FOUND', `the engine has no image ${makeVisible(reference)}`, { hint })
}

/** Every tag in the engine, as the engine writes it. */
export async function allTags(engine: EngineConnection, signal?: AbortSignal): Promise<string[]> {
  const images = await imageList(engine, {}, signal)
  return images.flatMap((image) => stringsAt(image, 'RepoTags'))
}

/** For a hint only: when the engine will not list its images there are no suggestions. */
async function knownNames(engine: EngineConnection, signal?: AbortSignal): Promise<string[]> {
  try {
    return (await allTags(engine, signal)).flatMap((name) => familiarTag(name) ?? [])
  } catch {
    signal?.throwIfAborted()
    return []
  }
}

export function readImage(image: Fields): EngineImage {
  const config = asFields(image['Config'])
  return {
    id: readDigest(stringAt(image, 'Id')),
    platform: readPlatform(image),
    variants: readVariants(image),
    size: numberAt(image, 'Size') ?? 0,
    repoTags: stringsAt(image, 'RepoTags'),
    diffIDs: stringsAt(asFields(image['RootFS']), 'Layers').map(readDigest),
    entrypoint: stringsAt(config, 'Entrypoint'),
    cmd: stringsAt(config, 'Cmd'),
  }
}

function readPlatform(image: Fields): Platform {
  const variant = stringAt(image, 'Variant')
  return normalizePlatform({
    os: stringAt(image, 'Os') ?? 'unknown',
    architecture: stringAt(image, 'Architecture') ?? 'unknown',
    ...(variant ? { variant } : {}),
  })
}

/** Some Podman versions write ids without the algorithm. */
export function readDigest(text: string | undefined): Digest {
  const digest = text?.includes(':') ? text : `sha256:${text}`
  if (isDigest(digest)) return digest
  throw new ImgctlError('ENGINE_ERROR', 'the engine describes an image without a digest')
}
