import type { DeletedImage } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { collectRepository } from '../content/collect.ts'
import { KeyedLock } from '../content/keyed-lock.ts'
import { freedBy, removeImageContent } from '../content/removal.ts'
import type { ServerContext } from '../context.ts'
import type { ImageTable } from '../store/schema.ts'
import { findImage, type ImageScope } from './find.ts'
import { deleteImageRow } from './record-push.ts'

export interface Deletion {
  readonly idOrName: string
  /** The digest that the plan showed; as an entity tag it may stand in quotes. */
  readonly ifMatch: string | undefined
  readonly actor: string
}

/** One after the other in each organization: of two names of the same content, the second one frees it. */
const DELETIONS = new KeyedLock()

/**
 * Deletes an image in whatever state it is, its tag, and what nothing else needs. A worker that has it in hand
 * stops.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND; FORBIDDEN for a general image; PRECONDITION_FAILED when the name means
 *   something else by now: then nothing is deleted
 */
export async function deleteImage(
  ctx: ServerContext,
  scope: ImageScope,
  deletion: Deletion,
): Promise<DeletedImage> {
  const remove = () =>
    ctx.db.transaction().execute(async (trx) => {
      const image = await findImage(trx, scope, deletion.idOrName)
      assertUnchanged(image, deletion.ifMatch)
      await deleteImageRow(trx, image, { now: ctx.now(), actor: deletion.actor })
      return { image, repositoryId: await removeImageContent(trx, image) }
    })
  return DELETIONS.run(scope.organizationId, async () => {
    const { image, repositoryId } = await ctx.reserve.use(remove)
    const { freedBytes, heldBy } = await freedBy(ctx.db, image)
    if (repositoryId !== undefined) await collect(ctx, repositoryId)
    return { freedBytes, heldBy: [...heldBy] }
  })
}

/** The image is deleted, whatever happens here: what stays behind is swept later. */
async function collect(ctx: ServerContext, repositoryId: number): Promise<void> {
  try {
    await ctx.reserve.use(() => collectRepository(ctx, repositoryId))
    await ctx.reserve.refill()
  } catch (error) {
    ctx.log.error({ err: error, repositoryId }, 'content of a deleted image is left to the janitor')
  }
}

function assertUnchanged(image: ImageTable, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return
  const wanted = ifMatch.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?"(.*)"$/, '$1'))
  if (image.digest !== null && wanted.includes(image.digest)) return
  const now = image.digest ?? 'nothing yet'
  throw new ImgctlError(
    'PRECONDITION_FAILED',
    `${image.name} means ${now} now: it was pushed again meanwhile`,
    {
      hint: 'look at it, then delete it again',
    },
  )
}
