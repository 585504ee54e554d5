import { openArchive } from '../../archive/open-archive.ts'
import { selectImage } from '../../archive/select-image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { LINUX_AMD64, parsePlatform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import { archiveSource } from './archive-source.ts'
import { engineSource } from './engine-source.ts'
import type { ImageSource } from './source.ts'
import type { PushArgument } from './target.ts'

/**
 * Opens what the user named; it is to be closed. Nothing of a layer is read.
 *
 * @param wanted which image of an archive that holds several
 * @param accepted the server's platforms, asked for only when the source has been found
 */
export async function openSource(
  argument: PushArgument,
  wanted: string | undefined,
  engine: () => Promise<Engine>,
  accepted: () => Promise<readonly string[]>,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  if (argument.kind === 'image') {
    if (wanted === undefined)
      return engineSource(await engine(), argument.reference, argument.reference, signal)
    throw new ImgctlError(
      'USAGE',
      '--image chooses an image of an archive, and this is an image of the engine',
    )
  }
  const archive = await openArchive(argument.path, signal ? { signal } : {})
  try {
    const platform = parsePlatform((await accepted())[0] ?? '') ?? LINUX_AMD64
    return archiveSource(argument.path, archive, selectImage(archive.images, wanted, platform))
  } catch (error) {
    await archive.close()
    throw error
  }
}
