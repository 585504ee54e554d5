import type { Digest } from '../../oci/digest.ts'
import { mountBlob } from '../content/links.ts'
import { ensureRepository } from '../content/repositories.ts'
import { challenge } from './access.ts'
import type { Call } from './call.ts'
import { canDo, couldDo, readablePaths } from './caller.ts'
import { tryRepositoryName } from './target.ts'

/**
 * Links a blob that the caller may read in another repository of the organization: the one that `from` names, or
 * without `from` any that these credentials, or this token, may read. False: the client uploads it.
 */
export async function mountFrom(call: Call, digest: Digest): Promise<boolean> {
  const { ctx, query, request, access, target } = call
  const from = query.get('from')
  const source = from === null ? undefined : tryRepositoryName(from)
  if (from !== null && !source) return false
  if (source && !canDo(access.caller, source, 'pull')) {
    if (!couldDo(access.caller, source, 'pull')) return false
    const scopes = [`repository:${target.repository.full}:pull,push`, `repository:${source.full}:pull`]
    throw challenge(ctx, request, scopes, 'insufficient_scope')
  }
  const { organizationId } = access
  const paths = source ? [source.path] : readablePaths(access.caller)
  if (paths?.length === 0) return false
  return ctx.db.transaction().execute(async (trx) => {
    let links = trx
      .selectFrom('blob_links')
      .innerJoin('repositories', 'repositories.id', 'blob_links.repositoryId')
      .select('blob_links.digest')
      .where('repositories.organizationId', '=', organizationId)
      .where('blob_links.digest', '=', digest)
    if (paths !== undefined) links = links.where('repositories.path', 'in', paths)
    if (!(await links.executeTakeFirst())) return false
    const now = ctx.now()
    const repositoryId = await ensureRepository(trx, { organizationId, path: target.repository.path, now })
    return mountBlob(trx, { repositoryId, digest, now })
  })
}
