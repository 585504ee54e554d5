import { exportToLayout } from '../../archive/export-to-layout.ts'
import { writeTar } from '../../archive/tar-write.ts'
import { ImgctlError } from '../../errors/error.ts'
import { withoutBufferGarbage } from '../../internal/buffer-garbage.ts'
import { mapLimit } from '../../internal/concurrency.ts'
import { matchesPlatform, type Platform } from '../../oci/platform.ts'
import type { EngineImage, EngineImages } from '../../ports/engine.ts'
import type { EngineExports } from '../../ports/engine-transfer.ts'
import { inspectFor, ownVariant, platformsHere, pullCommand } from '../engine-platform.ts'
import type { ArchiveContent, SaveFormat } from './content.ts'

export type SavingEngine = EngineImages & EngineExports

/** An engine answers from memory: a few at once hide the round trips. */
const INSPECTS_AT_ONCE = 4

/**
 * Images of an engine. What the engine exports is a docker-save archive, and goes as it is; a layout is made of it
 * as it passes.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND for the first that is not there, before anything is exported; ARCH_MISMATCH
 */
export async function engineContent(
  engine: SavingEngine,
  references: readonly string[],
  format: SaveFormat | undefined,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<ArchiveContent> {
  const images = await mapLimit(
    references,
    INSPECTS_AT_ONCE,
    (reference, _, inspects) =>
      platform ? inspectFor(engine, reference, platform, inspects) : engine.inspectImage(reference, inspects),
    signal,
  )
  const chosen = platform
    ? await platformToAsk(engine, images, platform, signal)
    : await platformOfIncomplete(engine, references, images, signal)
  const bytes = await engine.exportImages(references, {
    ...(chosen ? { platform: chosen } : {}),
    ...(signal ? { signal } : {}),
  })
  return {
    phase: 'export',
    bytes:
      format === 'oci'
        ? writeTar(exportToLayout(bytes, signal ? { signal } : {}))
        : withoutBufferGarbage(bytes),
    total: images.reduce((sum, { size }) => sum + size, 0),
  }
}

/** What the engine is to choose: an image of one platform is what it is, and an old engine is not to be asked. */
async function platformToAsk(
  engine: SavingEngine,
  images: readonly EngineImage[],
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<Platform | undefined> {
  if (images.some(ownVariant)) return platform
  // Before API 1.48 an engine does not tell whether it is an index: it says itself that it cannot choose.
  return (await engine.info(signal)).store === 'containerd' ? platform : undefined
}

/**
 * An engine exports an index with what it has of it, but fails when its own platform was not pulled. Then the one
 * that was is to be named.
 *
 * @throws ImgctlError ARCH_MISMATCH when the images have no platform in common
 */
async function platformOfIncomplete(
  engine: SavingEngine,
  references: readonly string[],
  images: readonly EngineImage[],
  signal: AbortSignal | undefined,
): Promise<Platform | undefined> {
  if (!images.some(({ variants }) => variants.length > 0)) return undefined
  const { platform: own } = await engine.info(signal)
  const stranger = images.find((image) => image.variants.length > 0 && !matchesPlatform(image.platform, own))
  if (stranger === undefined) return undefined
  for (const [i, image] of images.entries()) {
    if (matchesPlatform(image.platform, stranger.platform)) continue
    const reference = references[images.indexOf(stranger)]!
    const [has, other] = [stranger, image].map(platformsHere)
    throw new ImgctlError('ARCH_MISMATCH', `${reference} is ${has}, and ${references[i]} is ${other}`, {
      hint: `save them one by one, or: ${pullCommand(reference, own)}`,
    })
  }
  return stranger.platform
}
