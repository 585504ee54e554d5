import type { ArchiveImage } from '../../archive/archive-image.ts'
import { imagesFor } from '../../archive/select-image.ts'
import type { Platform } from '../../oci/platform.ts'
import type { EngineInfo } from '../../ports/engine.ts'

/**
 * The images of an archive that an engine is given: those of `platform`, or all. Only a containerd store keeps
 * several platforms under one name; for any other engine the one that runs there is chosen.
 *
 * @throws ImgctlError ARCH_MISMATCH when there is none for the platform
 */
export function chooseImages(
  images: readonly ArchiveImage[],
  platform: Platform | undefined,
  { store, platform: own }: Pick<EngineInfo, 'store' | 'platform'>,
): readonly ArchiveImage[] {
  if (platform) return imagesFor(images, platform)
  if (store === 'containerd') return images
  const groups = new Map<string, ArchiveImage[]>()
  for (const image of images) {
    const name = contentName(image)
    groups.set(name, [...(groups.get(name) ?? []), image])
  }
  return [...groups.values()].flatMap((group) => (group.length > 1 ? imagesFor(group, own) : group))
}

/** Equal for images that would take each other's name: those that differ in platform. */
function contentName({ repoTags, configDigest }: ArchiveImage): string {
  return repoTags.length > 0 ? repoTags.join('\n') : configDigest
}
