import type { Readable } from 'node:stream'
import { isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ServerContext } from '../context.ts'
import { removeBlobs } from './collect.ts'
import { linkBlob } from './links.ts'
import { assertWithinStorage } from './storage-quota.ts'
import type { StoredBlob } from './upload-file.ts'

export interface BlobToStore {
  readonly repositoryId: number
  readonly source: Readable
  readonly expectedDigest?: Digest
  readonly maxBytes?: number
}

/**
 * Stores a stream as a blob of a repository: durable and linked when it resolves.
 *
 * @throws ImgctlError as BlobStore.writeBlob; QUOTA_EXCEEDED, and then nothing is left
 */
export async function storeBlob(
  ctx: Pick<ServerContext, 'db' | 'blobs' | 'now' | 'settings'>,
  { repositoryId, source, ...rules }: BlobToStore,
): Promise<StoredBlob> {
  let digest: Digest | undefined
  try {
    return await ctx.blobs.writeBlob(source, rules, async (stored) => {
      digest = stored.digest
      await ctx.db.transaction().execute(async (trx) => {
        await linkBlob(trx, { ...stored, repositoryId, now: ctx.now() })
        const { organizationId } = await trx
          .selectFrom('repositories')
          .select('organizationId')
          .where('id', '=', repositoryId)
          .executeTakeFirstOrThrow()
        await assertWithinStorage(trx, organizationId, ctx.settings.limits.storagePerOrganization)
      })
      return stored
    })
  } catch (error) {
    if (digest && isCode(error, 'QUOTA_EXCEEDED')) await removeBlobs(ctx, [digest])
    throw error
  }
}
