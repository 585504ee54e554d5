import type { Readable } from 'node:stream'
import { isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ServerContext } from '../context.ts'
import type { Trx } from '../store/database.ts'
import { removeBlobs } from './collect.ts'
import { linkBlob } from './links.ts'
import { assertWithinStorage } from './storage-quota.ts'
import type { StoredBlob } from './upload-file.ts'

type StoreContext = Pick<ServerContext, 'db' | 'blobs' | 'now' | 'settings'>

export interface BlobToStore {
  readonly repositoryId: number
  readonly source: Readable
  readonly expectedDigest?: Digest
  readonly maxBytes?: number
}

/** Where a blob is made visible. */
export interface BlobPlace {
  readonly organizationId: string
  readonly repositoryId: number
}

/**
 * Stores a stream as a blob of a repository: durable and linked when it resolves.
 *
 * @throws ImgctlError as BlobStore.writeBlob; QUOTA_EXCEEDED, and then nothing is left
 */
export function storeBlob(
  ctx: StoreContext,
  { repositoryId, source, ...rules }: BlobToStore,
): Promise<StoredBlob> {
  const place = async (trx: Trx): Promise<BlobPlace> => {
    const { organizationId } = await trx
      .selectFrom('repositories')
      .select('organizationId')
      .where('id', '=', repositoryId)
      .executeTakeFirstOrThrow()
    return { organizationId, repositoryId }
  }
  return keepBlob(ctx, place, (link) => ctx.blobs.writeBlob(source, rules, link))
}

/**
 * Makes a blob visible that `store` stores. One that the organization has no space for is gone again.
 *
 * @param place runs in the transaction that links the blob: what belongs to it is done there
 * @param store calls `link` as BlobStore.writeBlob calls `keep`
 * @throws ImgctlError QUOTA_EXCEEDED; what `store` throws
 */
export async function keepBlob<T>(
  ctx: StoreContext,
  place: (trx: Trx) => Promise<BlobPlace>,
  store: (link: (blob: StoredBlob) => Promise<StoredBlob>) => Promise<T>,
): Promise<T> {
  let stored: StoredBlob | undefined
  const link = async (blob: StoredBlob) => {
    stored = blob
    await ctx.db.transaction().execute(async (trx) => {
      const { organizationId, repositoryId } = await place(trx)
      await linkBlob(trx, { ...blob, repositoryId, now: ctx.now() })
      await assertWithinStorage(trx, organizationId, ctx.settings.limits.storagePerOrganization)
    })
    return blob
  }
  try {
    return await store(link)
  } catch (error) {
    // Its file is there, and nobody may have it.
    if (stored && isCode(error, 'QUOTA_EXCEEDED')) await removeBlobs(ctx, [stored.digest])
    throw error
  }
}
