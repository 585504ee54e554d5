import { ImgctlError } from '../errors/error.ts'
import type { Digest } from '../oci/digest.ts'
import { type ImageConfig, MAX_CONFIG_BYTES, parseImageConfig } from '../oci/image-config.ts'
import {
  type Descriptor,
  indexPlatforms,
  type Manifest,
  parseManifest,
  pickPlatform,
} from '../oci/manifest.ts'
import { formatPlatform, type Platform } from '../oci/platform.ts'
import type { BlobReader, ManifestContent, Repository } from '../ports/registry.ts'

/** The documents of an image in a registry, for one platform. */
export interface PlatformImage {
  readonly manifest: ManifestContent & { readonly parsed: Manifest }
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
}

/** A manifest or index, by its digest, and what messages call it. */
export interface NamedManifest {
  readonly name: string
  readonly digest: Digest
}

/**
 * The image of an index for a platform; the image itself where there is no index, whatever its platform is.
 *
 * @throws ImgctlError ARCH_MISMATCH, MANIFEST_INVALID; those of the registry
 */
export async function readPlatformImage(
  repository: Repository,
  image: NamedManifest,
  wanted: Platform,
  signal: AbortSignal | undefined,
): Promise<PlatformImage> {
  const manifest = await readManifest(repository, image, wanted, signal)
  const configBytes = await readConfig(repository, manifest.parsed, signal)
  return { manifest, config: parseImageConfig(configBytes), configBytes }
}

export function noPlatform(name: string, wanted: Platform, offered: readonly string[]): ImgctlError {
  return new ImgctlError('ARCH_MISMATCH', `${name} is not there for ${formatPlatform(wanted)}`, {
    context: [`it is for ${offered.join(', ') || 'no platform'}`],
    hint: 'choose one with --platform',
  })
}

/** The bytes of a blob, verified at their end. */
export async function* readBlob(
  repository: BlobReader,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  yield* (await repository.readBlob(descriptor, signal)) as AsyncIterable<Uint8Array>
}

async function readManifest(
  repository: Repository,
  { name, digest }: NamedManifest,
  wanted: Platform,
  signal: AbortSignal | undefined,
): Promise<PlatformImage['manifest']> {
  const content = await repository.readManifest(digest, signal)
  const parsed = parseManifest(content.bytes, content.mediaType)
  if (parsed.kind === 'manifest') return { ...content, parsed }
  const entry = pickPlatform(parsed, wanted)
  if (entry === undefined) throw noPlatform(name, wanted, indexPlatforms(parsed))
  const inner = await repository.readManifest(entry.digest, signal)
  const manifest = parseManifest(inner.bytes, inner.mediaType)
  if (manifest.kind === 'manifest') return { ...inner, parsed: manifest }
  throw new ImgctlError('MANIFEST_INVALID', `the index of ${name} leads to another index`)
}

async function readConfig(
  repository: Repository,
  { config }: Manifest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (config.size > MAX_CONFIG_BYTES) {
    const message = `the image config has ${config.size} bytes, more than ${MAX_CONFIG_BYTES}`
    throw new ImgctlError('MANIFEST_INVALID', message)
  }
  return Buffer.concat(await (await repository.readBlob(config, signal)).toArray())
}
