import { type Digest, digestBytes } from '../oci/digest.ts'
import type { Descriptor } from '../oci/manifest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Platform } from '../oci/platform.ts'
import { formatReference, parseReference } from '../oci/reference.ts'
import { blobPath } from './archive-blob.ts'
import { INDEX_FILE, LAYOUT_FILE, NAME_ANNOTATION, REF_ANNOTATION } from './layout-names.ts'
import type { TarContent } from './tar-write.ts'

/** A layer that is a blob: its digest is of the bytes that `open` yields. */
export interface BlobLayer {
  readonly descriptor: Descriptor
  readonly open: () => AsyncIterable<Uint8Array>
}

/** An image to write into an archive. */
export interface PackedImage {
  /** References with a tag: `app:1.0`. */
  readonly repoTags: readonly string[]
  readonly platform: Platform
  readonly configBytes: Uint8Array
  readonly layers: readonly BlobLayer[]
  /** The image's own manifest; one is made when it has none. */
  readonly manifest?: { readonly bytes: Uint8Array; readonly mediaType: string }
}

/**
 * `oci`: an OCI layout. `docker`: a layout that is a docker-save archive too, as Docker 25 and later write it:
 * every engine loads it.
 */
export type PackFormat = 'docker' | 'oci'

/** The files of an archive of these images, each blob once. */
export function packImages(images: readonly PackedImage[], format: PackFormat): TarContent[] {
  const files = new Map<string, TarContent>()
  const add = (file: TarContent) => files.set(file.path, files.get(file.path) ?? file)
  const entries: Descriptor[] = []
  for (const image of images) {
    const { bytes, mediaType } = image.manifest ?? makeManifest(image)
    for (const layer of image.layers) add(layerFile(layer))
    add(document(blobPath(digestBytes(image.configBytes)), image.configBytes))
    const manifest = { mediaType, digest: digestBytes(bytes), size: bytes.length }
    add(document(blobPath(manifest.digest), bytes))
    entries.push(...named(manifest, image))
  }
  return [...files.values(), ...indexFiles(entries), ...(format === 'docker' ? [saveManifest(images)] : [])]
}

/** What makes blobs a layout. */
export function indexFiles(manifests: readonly Descriptor[]): TarContent[] {
  return [
    json(INDEX_FILE, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
    json(LAYOUT_FILE, { imageLayoutVersion: '1.0.0' }),
  ]
}

/** https://github.com/opencontainers/image-spec/blob/main/manifest.md */
export function makeManifest({ configBytes, layers }: Pick<PackedImage, 'configBytes' | 'layers'>): {
  readonly bytes: Uint8Array
  readonly mediaType: string
} {
  const config = { mediaType: OCI_CONFIG, digest: digestBytes(configBytes), size: configBytes.length }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config,
    layers: layers.map(({ descriptor: { mediaType, digest, size } }) => ({ mediaType, digest, size })),
  }
  return { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: OCI_MANIFEST }
}

/** The manifest once for each name, as containerd and skopeo look for them; once without a name when it has none. */
export function named(
  { mediaType, digest, size }: Descriptor,
  { repoTags, platform }: Pick<PackedImage, 'repoTags' | 'platform'>,
): Descriptor[] {
  const base = { mediaType, digest, size, platform }
  if (repoTags.length === 0) return [base]
  return repoTags.map((name) => {
    const reference = parseReference(name)
    return {
      ...base,
      annotations: {
        [NAME_ANNOTATION]: formatReference(reference),
        ...(reference.tag ? { [REF_ANNOTATION]: reference.tag } : {}),
      },
    }
  })
}

/** https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format */
function saveManifest(images: readonly PackedImage[]): TarContent {
  const list = images.map(({ configBytes, repoTags, layers }) => ({
    Config: blobPath(digestBytes(configBytes)),
    RepoTags: repoTags,
    Layers: layers.map(({ descriptor }) => blobPath(descriptor.digest)),
  }))
  return json('manifest.json', list)
}

function layerFile({ descriptor, open }: BlobLayer): TarContent {
  return { path: blobPath(descriptor.digest as Digest), size: descriptor.size, body: open }
}

function json(path: string, value: unknown): TarContent {
  return document(path, Buffer.from(JSON.stringify(value)))
}

export function document(path: string, bytes: Uint8Array): TarContent {
  return { path, size: bytes.length, body: () => [bytes] }
}
