import { ImgctlError } from '../../errors/error.ts'
import type { Db, Trx } from '../store/database.ts'

/** How many images an organization has that count: failed ones do not, so a failure never blocks its repair. */
export async function countImages(
  db: Db | Trx,
  organizationId: string,
): Promise<{ used: number; quota: number }> {
  const row = await db
    .selectFrom('organizations')
    .select(({ selectFrom, fn }) => [
      'imageQuota as quota',
      selectFrom('images')
        .select(fn.countAll<number>().as('count'))
        .whereRef('images.organizationId', '=', 'organizations.id')
        .where('state', '!=', 'error')
        .as('used'),
    ])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
  return { used: row.used ?? 0, quota: row.quota }
}

/**
 * Makes sure that one more image fits. Call it in the transaction that adds the image: then no two requests
 * can take the last place.
 *
 * @throws ImgctlError QUOTA_EXCEEDED
 */
export async function assertRoomForImage(trx: Trx, organizationId: string): Promise<void> {
  const { used, quota } = await countImages(trx, organizationId)
  if (used < quota) return
  throw new ImgctlError('QUOTA_EXCEEDED', `the organization has ${used} of ${quota} images`, {
    hint: 'delete images that are no longer needed, or ask an administrator for a larger quota',
  })
}
