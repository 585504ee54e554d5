import { OCI_INDEX } from '../../oci/media-types.ts'
import { listReferrers } from '../content/referrers.ts'
import { listTags } from '../content/tags.ts'
import { type Call, repositoryOf } from './call.ts'
import { cutPage, requestedPage } from './paging.ts'
import { publicTags } from './public-view.ts'
import { nameUnknown } from './registry-error.ts'
import { requireDigest } from './target.ts'

/** GET of the tags, in ASCII order. */
export async function getTags(call: Call) {
  const { ctx, reply, access, target, query } = call
  const name = target.repository.full
  const page = requestedPage(query)
  const repositoryId = await repositoryOf(call)
  if (repositoryId === undefined) throw nameUnknown(name)
  const all = await listTags(ctx.db, repositoryId, {
    ...(page.last === undefined ? {} : { last: page.last }),
    ...(access.publicOnly ? {} : { limit: page.limit + 1 }),
  })
  const visible = access.publicOnly && (await publicTags(ctx.db, access.publicOnly))
  const found = visible ? all.filter((tag) => visible.has(tag)) : all
  const { items: tags, link } = cutPage(found, page, `/v2/${name}/tags/list`, (last) => ({ last }))
  if (link) reply.header('link', link)
  return reply.send({ name, tags })
}

/** A page of referrers: as many descriptors as stay far below the size of a manifest. */
const REFERRERS_PAGE = 1000

/** GET of the manifests that name a digest as their subject; empty, never 404, when there is none. */
export async function getReferrers(call: Call) {
  const { ctx, reply, access, target, query } = call
  const digest = requireDigest(target.reference)
  const artifactType = query.get('artifactType') ?? undefined
  const last = query.get('last') ?? undefined
  const repositoryId = access.publicOnly ? undefined : await repositoryOf(call)
  const found =
    repositoryId === undefined
      ? []
      : await listReferrers(ctx.db, repositoryId, digest, {
          limit: REFERRERS_PAGE + 1,
          ...(artifactType === undefined ? {} : { artifactType }),
          ...(last === undefined ? {} : { last }),
        })
  const { items: manifests, link } = cutPage(
    found,
    { limit: REFERRERS_PAGE, last },
    `/v2/${target.repository.full}/referrers/${digest}`,
    (descriptor) => ({ last: descriptor.digest, ...(artifactType === undefined ? {} : { artifactType }) }),
  )
  if (link) reply.header('link', link)
  if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
  reply.header('content-type', OCI_INDEX)
  // Bytes, because a text would get a charset, which the type does not have.
  return reply.send(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })))
}
