import { exportToLayout } from '../../archive/export-to-layout.ts'
import { writeTar } from '../../archive/tar-write.ts'
import { ImgctlError } from '../../errors/error.ts'
import { withoutBufferGarbage } from '../../internal/buffer-garbage.ts'
import { mapLimit } from '../../internal/concurrency.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../../oci/platform.ts'
import type { EngineImage, EngineImages } from '../../ports/engine.ts'
import type { EngineExports } from '../../ports/engine-transfer.ts'
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
    (reference, _, inspects) => engine.inspectImage(reference, inspects),
    signal,
  )
  const chosen = platform && (await platformToAsk(engine, references, images, platform, signal))
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

/**
 * The platform that the engine is to choose: only a containerd store can have several under one name.
 *
 * @throws ImgctlError ARCH_MISMATCH
 */
async function platformToAsk(
  engine: SavingEngine,
  references: readonly string[],
  images: readonly EngineImage[],
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<Platform | undefined> {
  if ((await engine.info(signal)).store === 'containerd') return platform
  for (const [i, image] of images.entries()) {
    if (matchesPlatform(image.platform, platform)) continue
    const has = formatPlatform(image.platform)
    throw new ImgctlError('ARCH_MISMATCH', `${references[i]} is ${has}, not ${formatPlatform(platform)}`, {
      hint: `pull it for that platform first: docker pull --platform ${formatPlatform(platform)} ${references[i]}`,
    })
  }
  return undefined
}
