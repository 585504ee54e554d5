import { ImgctlError } from '../errors/error.ts'
import { isRecord } from '../internal/is-record.ts'
import { type Digest, parseDigest } from './digest.ts'
import { CONFIG_TYPES, INDEX_TYPES, MANIFEST_TYPES } from './media-types.ts'
import { formatPlatform, matchesPlatform, normalizePlatform, type Platform } from './platform.ts'

/** https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly platform?: Platform
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly urls?: readonly string[]
}

/** An image manifest, OCI or docker v2 schema 2: the two differ only in media types. */
export interface Manifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** An image index, or docker's manifest list. */
export interface Index {
  readonly kind: 'index'
  readonly mediaType: string
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** A manifest is small; what is larger is refused unread (as CNCF distribution does). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const MAX_DESCRIPTORS = 10_000

/**
 * Parses a manifest or index.
 *
 * @param mediaType what the other side called it; the document's own `mediaType` must not contradict it
 * @throws ImgctlError MANIFEST_INVALID
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest | Index {
  const json = parseObject(bytes)
  const own = typeof json['mediaType'] === 'string' ? json['mediaType'] : undefined
  const type = own ?? mediaType
  if (own && mediaType && own !== mediaType && isKnown(mediaType)) {
    throw invalid(`it calls itself ${own} but was sent as ${mediaType}`)
  }
  if (json['schemaVersion'] !== 2) throw invalid('its schemaVersion is not 2')
  const common = {
    ...(json['subject'] === undefined ? {} : { subject: parseDescriptor(json['subject'], 'subject') }),
    ...(typeof json['artifactType'] === 'string' ? { artifactType: json['artifactType'] } : {}),
    ...parseAnnotations(json['annotations'], 'annotations'),
  }
  if (type ? INDEX_TYPES.includes(type) : json['manifests'] !== undefined) {
    if ('layers' in json || 'config' in json) throw invalid('an index has no config and no layers')
    const manifests = descriptors(json['manifests'], 'manifests')
    return { kind: 'index', mediaType: type ?? INDEX_TYPES[0]!, manifests, ...common }
  }
  if (type && !MANIFEST_TYPES.includes(type)) throw invalid(`media type ${type} is not supported`)
  if ('manifests' in json) throw invalid('a manifest has no list of manifests')
  return {
    kind: 'manifest',
    mediaType: type ?? MANIFEST_TYPES[0]!,
    config: parseDescriptor(json['config'], 'config'),
    layers: descriptors(json['layers'], 'layers'),
    ...common,
  }
}

/**
 * The entry of an index for one platform. Attestations (`unknown/unknown`, or annotated by BuildKit with
 * `vnd.docker.reference.type`) are no images and are left out.
 */
export function pickPlatform(index: Index, wanted: Platform): Descriptor | undefined {
  return imageEntries(index).find(({ platform }) => platform && matchesPlatform(platform, wanted))
}

/** The platforms an index offers, as `os/architecture[/variant]`, attestations left out. */
export function indexPlatforms(index: Index): string[] {
  return imageEntries(index).flatMap(({ platform }) =>
    platform ? [formatPlatform(normalizePlatform(platform))] : [],
  )
}

/** The entries of an index that are images: attestations left out. */
export function imageEntries(index: Index): Descriptor[] {
  return index.manifests.filter(
    ({ platform, annotations }) =>
      !annotations?.['vnd.docker.reference.type'] && !(platform?.os === 'unknown'),
  )
}

/**
 * Whether it is meant to be run: an artifact's manifest has another config, and an index of blobs (a build cache) lists
 * no manifest. https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
 */
export function isImage(content: Manifest | Index): boolean {
  if (content.kind === 'manifest') return CONFIG_TYPES.includes(content.config.mediaType)
  const { manifests } = content
  return manifests.length === 0 || manifests.some(({ mediaType }) => isManifestType(mediaType))
}

function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType) || INDEX_TYPES.includes(mediaType)
}

/** @throws ImgctlError MANIFEST_INVALID */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isRecord(value)) throw invalid(`${what} is missing or not an object`)
  const { mediaType, size, platform, annotations, artifactType, urls } = value
  if (typeof mediaType !== 'string' || mediaType === '') throw invalid(`${what} has no mediaType`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${what} has no valid size`)
  return {
    mediaType,
    digest: parseDigest(value['digest'], `the digest of ${what}`),
    size,
    ...(isPlatform(platform) ? { platform } : {}),
    ...parseAnnotations(annotations, `annotations of ${what}`),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
    ...(Array.isArray(urls) ? { urls: urls.filter((url) => typeof url === 'string') } : {}),
  }
}

function descriptors(value: unknown, what: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${what} is missing or not a list`)
  if (value.length > MAX_DESCRIPTORS) throw invalid(`${what} has more than ${MAX_DESCRIPTORS} entries`)
  return value.map((entry, i) => parseDescriptor(entry, `${what}[${i}]`))
}

/**
 * A map from text to text; Go's tools write null for an empty one.
 * https://github.com/opencontainers/image-spec/blob/main/annotations.md
 */
function parseAnnotations(value: unknown, what: string): { annotations?: Record<string, string> } {
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) throw invalid(`${what} is not an object`)
  if (!isTextRecord(value)) throw invalid(`${what} has a value that is not text`)
  return { annotations: value }
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalid('it is not JSON', cause)
  }
  if (!isRecord(json)) throw invalid('it is not a JSON object')
  return json
}

function isKnown(mediaType: string): boolean {
  return MANIFEST_TYPES.includes(mediaType) || INDEX_TYPES.includes(mediaType)
}

function isPlatform(value: unknown): value is Platform {
  if (!isRecord(value)) return false
  const { os, architecture, variant } = value
  return [os, architecture, variant ?? ''].every((part) => typeof part === 'string')
}

function isTextRecord(value: Record<string, unknown>): value is Record<string, string> {
  return Object.values(value).every((text) => typeof text === 'string')
}

function invalid(reason: string, cause?: unknown): ImgctlError {
  return new ImgctlError('MANIFEST_INVALID', `the manifest is not valid: ${reason}`, { cause })
}
