import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { shortDigest } from '../oci/digest.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts'
import { familiarReference, tryParseReference } from '../oci/reference.ts'
import { quoteName } from './archive-error.ts'
import type { ArchiveImage, LayerDescription } from './archive-image.ts'

/** As short as docker prints ids; a shorter prefix is more likely a name. */
const MIN_ID_LENGTH = 12

/**
 * The image that is meant.
 *
 * @param wanted a name (`app` means `app:latest`), an id or at least 12 hex digits of it, a manifest's
 *   digest, or `@N` for the one at position N, counted from 0 as in skopeo; undefined when the archive should
 *   have one image
 * @param platform decides between images that differ in platform
 * @throws ImgctlError IMAGE_NOT_FOUND, ARCHIVE_AMBIGUOUS (both list the choices), ARCH_MISMATCH
 */
export function selectImage<Image extends ArchiveImage<LayerDescription>>(
  images: readonly Image[],
  wanted: string | undefined,
  platform: Platform,
): Image {
  const named = wanted === undefined ? images : images.filter((image, i) => isMeant(image, i, wanted))
  if (named.length === 0) {
    throw new ImgctlError('IMAGE_NOT_FOUND', `the archive has no image ${quoteName(wanted ?? '')}`, {
      context: choices(images, images),
      hint: 'choose one with --image NAME',
    })
  }
  if (named.every((image) => isSame(image, named[0]!))) return named[0]!
  const fitting = named.filter((image) => matchesPlatform(image.platform, platform))
  if (fitting.length === 1) return fitting[0]!
  if (fitting.length === 0 && areOneName(named)) {
    const offered = named.map((image) => makeVisible(formatPlatform(image.platform))).join(', ')
    throw new ImgctlError('ARCH_MISMATCH', `the archive has no image for ${formatPlatform(platform)}`, {
      context: [`it has ${offered}`],
      hint: `build it with --platform ${formatPlatform(platform)}`,
    })
  }
  throw new ImgctlError('ARCHIVE_AMBIGUOUS', `the archive has ${named.length} images; which one?`, {
    context: choices(images, named),
    hint: 'choose one with --image NAME',
  })
}

/** The images for a platform. @throws ImgctlError ARCH_MISMATCH when there is none */
export function imagesFor<Image extends ArchiveImage<LayerDescription>>(
  images: readonly Image[],
  platform: Platform,
): Image[] {
  const found = images.filter((image) => matchesPlatform(image.platform, platform))
  if (found.length > 0) return found
  const offered = [...new Set(images.map((image) => makeVisible(formatPlatform(image.platform))))]
  throw new ImgctlError('ARCH_MISMATCH', `the archive has no image for ${formatPlatform(platform)}`, {
    context: [`it is for ${offered.join(', ')}`],
    hint: `choose one with --platform ${offered[0]}`,
  })
}

function isMeant(image: ArchiveImage<LayerDescription>, position: number, wanted: string): boolean {
  if (/^@[0-9]+$/.test(wanted)) return Number(wanted.slice(1)) === position
  if (image.names.includes(wanted)) return true
  const hex = /^(?:sha256:)?([0-9a-f]+)$/.exec(wanted)?.[1] ?? ''
  const digests = [image.configDigest, ...(image.manifest ? [image.manifest.digest] : [])]
  if (hex.length >= MIN_ID_LENGTH && digests.some((digest) => digest.startsWith(`sha256:${hex}`))) return true
  const reference = tryParseReference(wanted)
  return !('rule' in reference) && image.repoTags.includes(familiarReference({ tag: 'latest', ...reference }))
}

function isSame(a: ArchiveImage<LayerDescription>, b: ArchiveImage<LayerDescription>): boolean {
  return a.configDigest === b.configDigest && a.manifest?.digest === b.manifest?.digest
}

/** Whether the images differ in platform only. */
function areOneName(images: readonly ArchiveImage<LayerDescription>[]): boolean {
  return images.every(({ names }) => names.join('\n') === images[0]!.names.join('\n'))
}

function choices(
  all: readonly ArchiveImage<LayerDescription>[],
  offered: readonly ArchiveImage<LayerDescription>[],
): string[] {
  return offered.map((image) => {
    const name = image.repoTags[0] ?? image.names[0] ?? '(no name)'
    const id = shortDigest(image.configDigest)
    return makeVisible(`@${all.indexOf(image)}  ${name}  ${id}  ${formatPlatform(image.platform)}`)
  })
}
