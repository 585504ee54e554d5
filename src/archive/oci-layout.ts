import { type Digest, digestBytes } from '../oci/digest.ts'
import { type Descriptor, type Index, imageEntries, type Manifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, INDEX_TYPES, MANIFEST_TYPES, OCI_CONFIG } from '../oci/media-types.ts'
import { blobPath, describeLayer, requireBlob } from './archive-blob.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { ArchiveImage, ArchiveManifest, LayerDescription } from './archive-image.ts'
import { readConfig, readJson, readManifestFile } from './image-documents.ts'
import { taggedReferences } from './image-names.ts'
import { INDEX_FILE, LAYOUT_FILE, NAME_ANNOTATION, REF_ANNOTATION } from './layout-names.ts'
import { assertDigest } from './verified-content.ts'

/** An index of an index of an index is more than any builder writes. */
const MAX_INDEX_DEPTH = 4
/** Manifests are in memory at once; a layout of a thousand images is a mirror, not an archive to send. */
const MAX_MANIFESTS = 1000
/** Where builders put an image's name, the most telling first. */
const NAME_ANNOTATIONS = [NAME_ANNOTATION, REF_ANNOTATION]

/** An image manifest that a layout's index leads to. */
export interface LayoutManifest extends ArchiveManifest {
  readonly names: readonly string[]
}

/**
 * The complete images of a layout, every platform. An index may name images of other platforms that were left
 * out of the archive; attestations and other artifacts are no images.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @throws ImgctlError ARCHIVE_INVALID, DIGEST_MISMATCH
 */
export async function readLayout(files: ArchiveFiles): Promise<ArchiveImage<LayerDescription>[]> {
  const { manifests, missing } = await readLayoutManifests(files)
  const { images, absent } = await completeImages(files, manifests)
  if (images.length > 0) return images
  const first = missing ?? absent
  if (first) throw archiveInvalid(`there is no ${quoteName(blobPath(first.digest))}`)
  throw archiveInvalid('it holds no image')
}

/** The images of which nothing was left out, and the first blob that is not there. */
export async function completeImages(
  files: ArchiveFiles,
  manifests: readonly LayoutManifest[],
): Promise<{ readonly images: ArchiveImage<LayerDescription>[]; readonly absent?: Descriptor }> {
  const images: ArchiveImage<LayerDescription>[] = []
  let first: Descriptor | undefined
  for (const manifest of manifests) {
    const absent = await firstAbsent(files, manifest.parsed)
    if (absent === undefined) images.push(await describeImage(files, manifest))
    else first ??= absent
  }
  return { images, ...(first ? { absent: first } : {}) }
}

/** The image manifests that are in the layout, and the first that its index names and that is not. */
export async function readLayoutManifests(
  files: ArchiveFiles,
): Promise<{ readonly manifests: readonly LayoutManifest[]; readonly missing?: Descriptor }> {
  await assertLayoutVersion(files)
  const file = await files.require(INDEX_FILE, 'the index')
  const { parsed } = await readManifestFile(files, file)
  if (parsed.kind !== 'index') throw archiveInvalid(`${quoteName(INDEX_FILE)} is not an index`)
  return new LayoutWalk(files).walk(parsed)
}

async function assertLayoutVersion(files: ArchiveFiles): Promise<void> {
  const json = await readJson(files, await files.require(LAYOUT_FILE, 'the layout version'))
  const version = (json as { imageLayoutVersion?: unknown } | null)?.imageLayoutVersion
  if (typeof version !== 'string' || !/^1\./.test(version)) {
    throw archiveInvalid(
      `${quoteName(LAYOUT_FILE)} names no version of the OCI layout that imgctl reads (1.x)`,
    )
  }
}

/** Follows an index to its manifests, each once, with the names that lead to it. */
class LayoutWalk {
  readonly #files: ArchiveFiles
  readonly #found = new Map<Digest, ArchiveManifest & { readonly names: Set<string> }>()
  #visits = 0
  #missing: Descriptor | undefined

  constructor(files: ArchiveFiles) {
    this.#files = files
  }

  async walk(index: Index): Promise<{ manifests: LayoutManifest[]; missing?: Descriptor }> {
    await this.#visitIndex(index, [], 1)
    const manifests = [...this.#found.values()].map((found) => ({ ...found, names: [...found.names] }))
    return { manifests, ...(this.#missing ? { missing: this.#missing } : {}) }
  }

  async #visitIndex(index: Index, names: readonly string[], depth: number): Promise<void> {
    if (depth > MAX_INDEX_DEPTH)
      throw archiveInvalid(`its indexes are nested more than ${MAX_INDEX_DEPTH} deep`)
    for (const descriptor of imageEntries(index)) {
      await this.#visit(descriptor, [...names, ...annotatedNames(descriptor)], depth)
    }
  }

  async #visit(descriptor: Descriptor, names: readonly string[], depth: number): Promise<void> {
    const { digest, mediaType } = descriptor
    if (!INDEX_TYPES.includes(mediaType) && !MANIFEST_TYPES.includes(mediaType)) return
    if (++this.#visits > MAX_MANIFESTS) throw archiveInvalid(`it has more than ${MAX_MANIFESTS} manifests`)
    const known = this.#found.get(digest)
    if (known) {
      for (const name of names) known.names.add(name)
      return
    }
    const file = await this.#files.find(blobPath(digest))
    if (file === undefined) {
      this.#missing ??= descriptor
      return
    }
    const { bytes, parsed } = await this.#read(file, descriptor)
    if (parsed.kind === 'index') await this.#visitIndex(parsed, names, depth + 1)
    else if (isImage(parsed)) {
      this.#found.set(digest, { bytes, digest, mediaType: parsed.mediaType, parsed, names: new Set(names) })
    }
  }

  async #read(file: ArchiveFile, { digest, size, mediaType }: Descriptor) {
    await requireBlob(this.#files, { digest, size }, 'the manifest')
    const document = await readManifestFile(this.#files, file, mediaType)
    if (digest.startsWith('sha256:')) assertDigest(digestBytes(document.bytes), digest, file.path)
    return document
  }
}

function annotatedNames({ annotations = {} }: Descriptor): string[] {
  return NAME_ANNOTATIONS.flatMap((key) => (typeof annotations[key] === 'string' ? [annotations[key]] : []))
}

/** Signatures, attestations and other artifacts are manifests too, with a config of another type. */
function isImage({ config }: Manifest): boolean {
  return config.mediaType === OCI_CONFIG || config.mediaType === DOCKER_CONFIG
}

async function firstAbsent(files: ArchiveFiles, manifest: Manifest): Promise<Descriptor | undefined> {
  for (const descriptor of [manifest.config, ...manifest.layers]) {
    if ((await files.find(blobPath(descriptor.digest))) === undefined) return descriptor
  }
  return undefined
}

async function describeImage(
  files: ArchiveFiles,
  { names, ...manifest }: LayoutManifest,
): Promise<ArchiveImage<LayerDescription>> {
  const { config: configDescriptor, layers: descriptors } = manifest.parsed
  const configFile = await requireBlob(files, configDescriptor, 'the config')
  const document = await readConfig(files, configFile, configDescriptor.digest)
  const { diffIDs, platform } = document.config
  if (diffIDs.length !== descriptors.length) {
    throw archiveInvalid(
      `${quoteName(configFile.path)} has ${diffIDs.length} diff_ids for ${descriptors.length} layers`,
    )
  }
  const layers: LayerDescription[] = []
  for (const [i, descriptor] of descriptors.entries()) {
    const file = await requireBlob(files, descriptor, 'the layer')
    layers.push(await describeLayer(files, file, diffIDs[i]!, descriptor))
  }
  return { ...document, platform, layers, manifest, names, repoTags: taggedReferences(names) }
}
