import { ImgctlError } from '../../errors/error.ts'
import { defaultImageName, type ImageName, parseImageName } from '../../oci/image-name.ts'
import { parseReference } from '../../oci/reference.ts'
import type { ImageArgument } from '../image-argument.ts'

/** An image id, whole or as short as docker prints it: it names no repository. */
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{12,64}$/

/** The reference in an argument; undefined for archives and ids, which have no name in them. */
export function typedReference(argument: ImageArgument): string | undefined {
  return argument.kind === 'image' && !IMAGE_ID.test(argument.reference) ? argument.reference : undefined
}

/**
 * Refuses a name that could not be one before anything is looked for.
 *
 * @throws ImgctlError NAME_INVALID
 */
export function checkName(option: string | undefined, argument: ImageArgument): void {
  const typed = typedReference(argument)
  if (typed !== undefined) parseReference(typed)
  if (option !== undefined || typed !== undefined) targetName(option, typed, [])
}

/**
 * The image's name on the server: `--name`, else the reference that was typed, else the image's first tag.
 *
 * @param typed the engine reference the user wrote; undefined for archives, and for an id
 * @throws ImgctlError NAME_INVALID with `--name` as the way out
 */
export function targetName(
  option: string | undefined,
  typed: string | undefined,
  repoTags: readonly string[],
): ImageName {
  if (option !== undefined) return parseImageName(option)
  const reference = typed ?? repoTags[0]
  if (reference === undefined) {
    throw new ImgctlError('NAME_INVALID', 'the image has no name of its own', {
      hint: 'give it one: --name app:1.0',
    })
  }
  return defaultImageName(parseReference(reference))
}
