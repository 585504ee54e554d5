import { ImgctlError } from '../../errors/error.ts'
import type { Db, Trx } from '../store/database.ts'

/**
 * Makes sure that an organization has no more than it may. Call it in the transaction that links a blob, after the
 * link: then no two uploads can take the last bytes, and a blob that the organization has already costs nothing.
 *
 * @param general bytes of different blobs that one may have which has no quota of its own; undefined: any
 * @throws ImgctlError QUOTA_EXCEEDED
 */
export async function assertWithinStorage(
  db: Db | Trx,
  organizationId: string,
  general: number | undefined,
): Promise<void> {
  const { storedBytes, storageQuota } = await db
    .selectFrom('organizations')
    .select(['storedBytes', 'storageQuota'])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
  const limit = storageQuota ?? general
  if (limit === undefined || storedBytes <= limit) return
  throw new ImgctlError(
    'QUOTA_EXCEEDED',
    `the organization may store ${limit} bytes, and would have ${storedBytes}`,
    { hint: 'delete images that are no longer needed, or ask an administrator for more space' },
  )
}
