import { ImgctlError } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import { parseGivenName } from '../../oci/given-name.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../../oci/platform.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineNaming } from '../../ports/engine-catalog.ts'
import type { EngineImport, ImportRequest } from '../../ports/engine-intake.ts'
import type { EnginePush } from '../../ports/engine-push.ts'
import { newStagingTag } from '../push/staging-tag.ts'

export type ImportingEngine = EngineImport & EngineNaming & EngineImages & Pick<EnginePush, 'untagImage'>

/** Where an image is until it has arrived as a whole. */
const STAGING_REPOSITORY = 'imgctl-import'

/**
 * Makes an image of a tar. It gets its name when it is whole: an engine with containerd's store would move the name
 * to what it made of half a tar.
 *
 * @throws ImgctlError NAME_INVALID before anything is read; as EngineImport; UNSUPPORTED when the engine makes images for its own platform only
 */
export async function importImage(
  engine: ImportingEngine,
  request: ImportRequest,
  signal: AbortSignal,
): Promise<Digest> {
  const { target, platform } = request
  if (target === undefined) {
    const id = await engine.importImage(request, signal)
    if (platform) await assertPlatform(engine, id, platform, signal)
    return id
  }
  assertName(target, request.source)
  const staging = `${STAGING_REPOSITORY}:${newStagingTag()}`
  try {
    const id = await engine.importImage({ ...request, target: staging }, signal)
    if (platform) await assertPlatform(engine, id, platform, signal)
    await engine.nameImage(staging, target, signal)
    return id
  } finally {
    // The next push removes it if the engine cannot now; what failed before stays the news.
    await engine.untagImage(staging).catch(() => undefined)
  }
}

/** Before anything is read. The source is let go when the name is none. */
function assertName(target: string, source: ImportRequest['source']): void {
  try {
    parseGivenName(target)
  } catch (error) {
    if (!(source instanceof URL)) source.destroy()
    throw error
  }
}

async function assertPlatform(
  engine: EngineImages,
  id: Digest,
  wanted: Platform,
  signal: AbortSignal,
): Promise<void> {
  const { platform } = await engine.inspectImage(id, signal)
  if (matchesPlatform(platform, wanted)) return
  const made = formatPlatform(platform)
  throw new ImgctlError(
    'UNSUPPORTED',
    `this engine imports images for ${made} only, not ${formatPlatform(wanted)}`,
    {
      hint: 'use an engine of the other platform, or one with the containerd image store',
    },
  )
}
