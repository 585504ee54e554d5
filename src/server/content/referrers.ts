import type { Digest } from '../../oci/digest.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Db, Trx } from '../store/database.ts'

/** Manifests whose `subject` is `digest`, by digest, with the fields that the referrers API wants. */
export async function listReferrers(
  db: Db | Trx,
  repositoryId: number,
  digest: string,
  page: { readonly artifactType?: string; readonly last?: string; readonly limit: number },
): Promise<Descriptor[]> {
  let query = db
    .selectFrom('manifests')
    .select(['digest', 'mediaType', 'size', 'artifactType', 'annotationsJson'])
    .where('repositoryId', '=', repositoryId)
    .where('subject', '=', digest)
    .orderBy('digest')
    .limit(page.limit)
  if (page.artifactType !== undefined) query = query.where('artifactType', '=', page.artifactType)
  if (page.last !== undefined) query = query.where('digest', '>', page.last)
  return (await query.execute()).map((row) => ({
    mediaType: row.mediaType,
    digest: row.digest as Digest,
    size: row.size,
    ...(row.artifactType === null ? {} : { artifactType: row.artifactType }),
    ...(row.annotationsJson === null ? {} : { annotations: JSON.parse(row.annotationsJson) }),
  }))
}
