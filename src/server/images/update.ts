import type { UpdateImage } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { recordEvent } from './events.ts'

export interface ChangeBy {
  readonly actor: string
  readonly now: number
}

/**
 * Writes the fields that the request has and that differ; nothing to write leaves no trace.
 *
 * @throws ImgctlError BAD_REQUEST when the entrypoint is taken away from an image that has none of its own
 */
export async function updateImage(
  trx: Trx,
  image: ImageTable,
  body: UpdateImage,
  by: ChangeBy,
): Promise<ImageTable> {
  const wanted = columns(image, body)
  const changed = (Object.keys(wanted) as (keyof typeof wanted)[]).some((key) => wanted[key] !== image[key])
  if (!changed) return image
  return writeImage(trx, image, wanted, 'updated', by)
}

/** A disabled image stays, and is not to be started. */
export async function toggleImage(
  trx: Trx,
  image: ImageTable,
  enabled: boolean,
  by: ChangeBy,
): Promise<ImageTable> {
  if (image.enabled === Number(enabled)) return image
  return writeImage(trx, image, { enabled: Number(enabled) }, 'toggled', by)
}

async function writeImage(
  trx: Trx,
  image: ImageTable,
  changes: Partial<ImageTable>,
  event: 'updated' | 'toggled',
  { actor, now }: ChangeBy,
): Promise<ImageTable> {
  const row = await trx
    .updateTable('images')
    .set({ ...changes, updatedAt: now })
    .where('id', '=', image.id)
    .returningAll()
    .executeTakeFirstOrThrow()
  await recordEvent(trx, { imageId: image.id, at: now, type: event, actor, digest: row.digest })
  return row
}

function columns(image: ImageTable, body: UpdateImage): Partial<ImageTable> {
  return {
    ...(body.labels === undefined ? {} : { labelsJson: JSON.stringify(body.labels) }),
    ...(body.visibility === undefined ? {} : { visibility: body.visibility as 'private' | 'public' }),
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(body.entrypoint === undefined ? {} : { entrypointJson: entrypointColumn(image, body.entrypoint) }),
  }
}

/** No words mean the image's own entrypoint. */
function entrypointColumn(image: ImageTable, entrypoint: readonly string[] | null): string | null {
  if (entrypoint !== null && entrypoint.length > 0) return JSON.stringify(entrypoint)
  if (image.state === 'active' && image.ownEntrypointJson === null) {
    throw new ImgctlError('BAD_REQUEST', `${image.name} has no entrypoint or command of its own`, {
      hint: 'give one: --entrypoint "sleep infinity"',
    })
  }
  return null
}
