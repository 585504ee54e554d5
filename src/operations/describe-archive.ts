import type { ArchiveImage } from '../archive/archive-image.ts'
import { openArchive } from '../archive/open-archive.ts'
import { selectImage } from '../archive/select-image.ts'
import { LINUX_AMD64, type Platform } from '../oci/platform.ts'

/** An image of an archive with the keys of `docker image inspect`, and how its layers are stored. */
export type DescribedImage = Readonly<Record<string, unknown>>

/**
 * All that an archive or layout says of its images, without an engine. No layer is read.
 *
 * @param wanted as selectImage takes it; every image when absent
 * @throws ImgctlError as openArchive and selectImage
 */
export async function describeArchive(
  path: string,
  wanted: string | undefined,
  platform: Platform = LINUX_AMD64,
  signal?: AbortSignal,
): Promise<DescribedImage[]> {
  const archive = await openArchive(path, signal ? { signal } : {})
  try {
    const images = wanted === undefined ? archive.images : [selectImage(archive.images, wanted, platform)]
    return images.map(describe)
  } finally {
    await archive.close()
  }
}

function describe({
  repoTags,
  config,
  configBytes,
  configDigest,
  manifest,
  layers,
}: ArchiveImage): DescribedImage {
  const written: Record<string, unknown> = JSON.parse(new TextDecoder().decode(configBytes))
  const { os, architecture, variant } = config.platform
  return {
    Id: configDigest,
    RepoTags: repoTags,
    Created: config.created ?? null,
    Author: written['author'] ?? '',
    Architecture: architecture,
    ...(variant ? { Variant: variant } : {}),
    Os: os,
    Size: layers.reduce((sum, { storedSize }) => sum + storedSize, 0),
    Config: written['config'] ?? {},
    RootFS: { Type: 'layers', Layers: config.diffIDs },
    Manifest: manifest ? { Digest: manifest.digest, MediaType: manifest.mediaType } : null,
    Layers: layers.map(({ diffID, storedSize, compression, descriptor }) => ({
      DiffID: diffID,
      Size: storedSize,
      Compression: compression,
      Digest: descriptor?.digest ?? null,
    })),
  }
}
