import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../context.ts'
import { challenge, requireCaller } from './access.ts'
import { CATALOG_SCOPE, couldList } from './caller.ts'
import { cutPage, requestedPage } from './paging.ts'

/**
 * GET of `_catalog`: the repositories with content that the caller may read, in ASCII order.
 *
 * @throws RegistryError UNAUTHORIZED without credentials, and for a token that was issued for something else
 */
export async function getCatalog(ctx: ServerContext, request: FastifyRequest, reply: FastifyReply) {
  const page = requestedPage(new URL(request.url, 'http://server').searchParams)
  const caller = await requireCaller(ctx, request, CATALOG_SCOPE)
  const { principal, onlyRepository, catalog } = caller
  if (!principal) throw challenge(ctx, request, [CATALOG_SCOPE])
  if (!catalog && couldList(caller)) throw challenge(ctx, request, [CATALOG_SCOPE], 'insufficient_scope')
  const prefix = `${principal.organizationSlug}/`
  const last = page.last?.startsWith(prefix) ? page.last.slice(prefix.length) : undefined
  let query = ctx.db
    .selectFrom('repositories')
    .select('path')
    .where('organizationId', '=', principal.organizationId)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('manifests').select('digest').whereRef('manifests.repositoryId', '=', 'repositories.id'),
      ),
    )
    .orderBy('path')
    .limit(page.limit + 1)
  if (last !== undefined) query = query.where('path', '>', last)
  if (onlyRepository !== undefined) query = query.where('path', '=', onlyRepository)
  const rows = couldList(caller) ? await query.execute() : []
  const names = rows.map(({ path }) => prefix + path)
  const { items: repositories, link } = cutPage(names, page, '/v2/_catalog', (name) => ({ last: name }))
  if (link) reply.header('link', link)
  return reply.send({ repositories })
}
