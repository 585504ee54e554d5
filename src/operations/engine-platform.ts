import { ImgctlError } from '../errors/error.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts'
import type { EngineImage, EngineImages, EngineVariant } from '../ports/engine.ts'

type Variants = Pick<EngineImage, 'platform' | 'variants'>

/**
 * An image of an engine for one platform.
 *
 * @throws ImgctlError ARCH_MISMATCH naming the platforms that are here, and the command that fetches the one wanted;
 *   as EngineImages.inspectImage
 */
export async function inspectFor(
  engine: EngineImages,
  reference: string,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<EngineImage> {
  const image = await engine.inspectImage(reference, signal, [platform])
  if (matchesPlatform(image.platform, platform)) return image
  throw new ImgctlError(
    'ARCH_MISMATCH',
    `${reference} is ${platformsHere(image)}, not ${formatPlatform(platform)}`,
    { hint: `pull it for that platform first: ${pullCommand(reference, platform)}` },
  )
}

/** What an engine is to be asked for, so that it is about this platform of an index alone; undefined for no index. */
export function ownVariant({ platform, variants }: Variants): EngineVariant | undefined {
  return variants.find((variant) => variant.isPresent && matchesPlatform(variant.platform, platform))
}

/** `linux/arm64`, or of an index all that have content here: `linux/arm64 and linux/s390x here`. */
export function platformsHere({ platform, variants }: Variants): string {
  const present = variants
    .filter(({ isPresent }) => isPresent)
    .map((variant) => formatPlatform(variant.platform))
  return present.length === 0 ? formatPlatform(platform) : `${present.join(' and ')} here`
}

export function pullCommand(reference: string, platform: Platform): string {
  return `docker pull --platform ${formatPlatform(platform)} ${reference}`
}
