import type { Platform } from '../oci/platform.ts'
import type { EngineImages } from '../ports/engine.ts'
import type { EngineCatalog } from '../ports/engine-catalog.ts'
import { inspectFor, ownVariant } from './engine-platform.ts'

/**
 * All that an engine says of an image, in its own words.
 *
 * @param platform which one of an index; the engine's own choice when absent
 * @throws ImgctlError ARCH_MISMATCH; as EngineCatalog.describeImage
 */
export async function describeLocal(
  engine: EngineCatalog & EngineImages,
  reference: string,
  platform: Platform | undefined,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  if (platform === undefined) return engine.describeImage(reference, signal)
  const image = await inspectFor(engine, reference, platform, signal)
  return engine.describeImage(reference, signal, ownVariant(image)?.platform)
}
