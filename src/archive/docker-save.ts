import type { Digest } from '../oci/digest.ts'
import { blobDigest, describeLayer } from './archive-blob.ts'
import { archiveInvalid, quoteName } from './archive-error.ts'
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts'
import type { ArchiveImage, ArchiveManifest, LayerDescription } from './archive-image.ts'
import { entryPath } from './entry-path.ts'
import { readConfig, readJson } from './image-documents.ts'
import { taggedReferences } from './image-names.ts'
import { LAYOUT_FILE } from './layout-names.ts'
import { completeImages, readLayoutManifests } from './oci-layout.ts'

export const SAVE_MANIFEST = 'manifest.json'

/** An archive of a thousand images is a mirror, not something to send. */
const MAX_IMAGES = 1000

/** An element of manifest.json. */
interface SavedImage {
  readonly config: string
  readonly repoTags: readonly string[]
  readonly layers: readonly string[]
}

/**
 * The images of a docker-save archive, as manifest.json names them. Since Docker 25 the same archive is an
 * OCI layout too: then the image's manifest is found there, and its descriptors describe the layers. The layout may
 * have more platforms of an image: manifest.json names the engine's own only.
 * https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
 *
 * @throws ImgctlError ARCHIVE_INVALID, DIGEST_MISMATCH
 */
export async function readDockerSave(files: ArchiveFiles): Promise<ArchiveImage<LayerDescription>[]> {
  const saved = parseSaveManifest(
    await readJson(files, await files.require(SAVE_MANIFEST, 'the list of images')),
  )
  const manifests = (await files.find(LAYOUT_FILE)) ? (await readLayoutManifests(files)).manifests : []
  const images: ArchiveImage<LayerDescription>[] = []
  for (const image of saved) images.push(await describeImage(files, image, manifests))
  const known = new Set(images.map(({ configDigest }) => configDigest))
  const others = manifests.filter(({ parsed }) => !known.has(parsed.config.digest))
  return [...images, ...(await completeImages(files, others)).images]
}

async function describeImage(
  files: ArchiveFiles,
  saved: SavedImage,
  manifests: readonly ArchiveManifest[],
): Promise<ArchiveImage<LayerDescription>> {
  const configFile = await files.require(saved.config, 'the config')
  const document = await readConfig(files, configFile, promisedDigest(configFile.path))
  const { diffIDs, platform } = document.config
  if (diffIDs.length !== saved.layers.length) {
    throw archiveInvalid(
      `${quoteName(configFile.path)} has ${diffIDs.length} diff_ids for ${saved.layers.length} layers`,
    )
  }
  const layerFiles: ArchiveFile[] = []
  for (const path of saved.layers) layerFiles.push(await files.require(path, 'a layer'))
  const manifest = manifests.find((candidate) => describes(candidate, document.configDigest, layerFiles))
  const layers: LayerDescription[] = []
  for (const [i, file] of layerFiles.entries()) {
    layers.push(await describeLayer(files, file, diffIDs[i]!, manifest?.parsed.layers[i]))
  }
  const names = saved.repoTags
  const base = { ...document, platform, layers, names, repoTags: taggedReferences(names) }
  return manifest === undefined ? base : { ...base, manifest: withoutNames(manifest) }
}

/** Whether a manifest is of exactly this config and these blobs. */
function describes({ parsed }: ArchiveManifest, config: Digest, layerFiles: readonly ArchiveFile[]): boolean {
  return (
    parsed.config.digest === config &&
    parsed.layers.length === layerFiles.length &&
    parsed.layers.every((layer, i) => {
      const file = layerFiles[i]!
      return blobDigest(file.path) === layer.digest && file.size === layer.size
    })
  )
}

function withoutNames({ bytes, digest, mediaType, parsed }: ArchiveManifest): ArchiveManifest {
  return { bytes, digest, mediaType, parsed }
}

/**
 * The config's digest in its file's name: `<hex>.json` (docker, podman), `sha256:<hex>` (crane, kaniko), or a
 * blob. Other names promise nothing.
 */
function promisedDigest(path: string): Digest | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1]
  return hex ? `sha256:${hex}` : blobDigest(path)
}

function parseSaveManifest(json: unknown): SavedImage[] {
  if (!Array.isArray(json)) throw archiveInvalid('manifest.json is not a list of images')
  if (json.length === 0) throw archiveInvalid('it holds no image')
  if (json.length > MAX_IMAGES) throw archiveInvalid(`it has more than ${MAX_IMAGES} images`)
  return json.map((value: unknown, i) => {
    const { Config, RepoTags, Layers } = (value ?? {}) as Record<string, unknown>
    if (typeof Config !== 'string') throw archiveInvalid(`image ${i} of manifest.json names no config`)
    if (!isStrings(Layers)) throw archiveInvalid(`image ${i} of manifest.json has no list of layers`)
    if (!isStrings(RepoTags ?? []))
      throw archiveInvalid(`the names of image ${i} of manifest.json are no list`)
    return {
      config: entryPath(Config),
      repoTags: (RepoTags ?? []) as string[],
      layers: Layers.map(entryPath),
    }
  })
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
