import { ImgctlError } from '../../errors/error.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { assertRoomForImage } from './quota.ts'
import { transition } from './states.ts'
import type { ChangeBy } from './update.ts'

/**
 * Sends a failed image through the states again, from the beginning.
 *
 * @throws ImgctlError CONFLICT when it did not fail, QUOTA_EXCEEDED (a failed image does not count, a retried one does)
 */
export async function retryImage(trx: Trx, image: ImageTable, { actor, now }: ChangeBy): Promise<ImageTable> {
  if (image.state !== 'error') {
    throw new ImgctlError('CONFLICT', `${image.name} is ${image.state}: only a failed image can be retried`, {
      hint: image.state === 'active' ? 'it is ready to use' : 'the server is still working on it',
    })
  }
  await assertRoomForImage(trx, image.organizationId)
  await transition(trx, image, 'pending', { now, actor, event: 'retry' })
  return trx.selectFrom('images').selectAll().where('id', '=', image.id).executeTakeFirstOrThrow()
}
