import type { CreateImage, Image } from '../contract/image.ts'
import { defaultImageName, formatImageName, parseImageName } from '../oci/image-name.ts'
import { formatReference, parseReference } from '../oci/reference.ts'
import type { ServerImages } from '../ports/server.ts'
import { rejection, waitForImage } from './wait-image.ts'

export interface CreateRequest {
  /** What the server fetches: any registry's reference. */
  readonly reference: string
  /** The name on the server, when it is not the reference's. */
  readonly name: string | undefined
  readonly record: Pick<CreateImage, 'entrypoint' | 'labels'>
  /** Milliseconds to wait for `active`; undefined: not at all. */
  readonly waitMs: number | undefined
}

/**
 * Asks the server to fetch an image from its registry.
 *
 * @returns the image: active, or as it is now when it is not waited for
 * @throws ImgctlError NAME_INVALID before anything is sent; NAME_TAKEN; and as waitForImage
 */
export async function createImage(
  server: Pick<ServerImages, 'createImage' | 'image'>,
  { reference, name, record, waitMs }: CreateRequest,
  onState: (image: Image) => void,
  signal: AbortSignal,
): Promise<Image> {
  const upstream = parseReference(reference)
  const body = {
    name: formatImageName(name === undefined ? defaultImageName(upstream) : parseImageName(name)),
    source: { kind: 'registry' as const, reference: formatReference(upstream) },
    ...record,
  }
  const image = await server.createImage(body, signal)
  if (image.state === 'error') throw rejection(image)
  if (waitMs === undefined) return image
  return waitForImage(server, image.id, { deadlineMs: waitMs, signal, onState })
}
