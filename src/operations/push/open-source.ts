import { selectImage } from '../../archive/select-image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { LINUX_AMD64, type Platform } from '../../oci/platform.ts'
import type { Engine } from '../../ports/engine.ts'
import type { ImageArgument } from '../image-argument.ts'
import { archiveSource } from './archive-source.ts'
import { engineSource } from './engine-source.ts'
import type { ImageSource } from './source.ts'

/**
 * Opens what the user named; it is to be closed. Nothing of a layer is read.
 *
 * @param wanted which image of an archive that holds several
 * @param platforms those that may be taken of several, the best first; asked for when something was found
 */
export async function openSource(
  argument: ImageArgument,
  wanted: string | undefined,
  engine: () => Promise<Engine>,
  platforms: () => Promise<readonly Platform[]>,
  signal: AbortSignal | undefined,
): Promise<ImageSource> {
  if (argument.kind === 'image') {
    const { reference } = argument
    if (wanted === undefined) return engineSource(await engine(), reference, reference, platforms, signal)
    throw new ImgctlError(
      'USAGE',
      '--image chooses an image of an archive, and this is an image of the engine',
    )
  }
  // What reads archives is loaded by those who have one.
  const { openArchive } = await import('../../archive/open-archive.ts')
  const archive = await openArchive(argument.path, signal ? { signal } : {})
  try {
    const [platform = LINUX_AMD64] = await platforms()
    return archiveSource(argument.path, archive, selectImage(archive.images, wanted, platform))
  } catch (error) {
    await archive.close()
    throw error
  }
}
