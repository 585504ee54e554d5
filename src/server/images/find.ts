import { ImgctlError } from '../../errors/error.ts'
import { formatImageName, type ImageName, parseImageName, STAGING_TAG_PREFIX } from '../../oci/image-name.ts'
import type { Db, Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import type { ReferencePrefix } from './present.ts'

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export interface ImageScope {
  readonly organizationId: string
  readonly prefix: ReferencePrefix
}

/**
 * The image with that id, name or own reference (`HOST/SLUG/app:1.0`) in the organization.
 *
 * @throws ImgctlError IMAGE_NOT_FOUND, also for what another organization has: that it exists is not told
 */
export async function findImage(db: Db | Trx, scope: ImageScope, idOrName: string): Promise<ImageTable> {
  const byOrganization = db
    .selectFrom('images')
    .selectAll()
    .where('organizationId', '=', scope.organizationId)
  const query = UUID.test(idOrName)
    ? byOrganization.where('id', '=', idOrName.toLowerCase())
    : byOrganization.where('name', '=', canonicalName(scope, idOrName))
  const row = await query.executeTakeFirst()
  if (row) return row
  throw new ImgctlError('IMAGE_NOT_FOUND', `there is no image ${JSON.stringify(idOrName)}`, {
    hint: 'imgctl image list shows the names',
  })
}

/**
 * The name of an image that a client asked for, its own reference on this server included.
 *
 * @throws ImgctlError NAME_INVALID; the lines with the caret are part of the message, for they cross the wire
 */
export function parseRequestedName(scope: ImageScope, text: string): ImageName {
  const name = withContextInMessage(() => parseImageName(stripOwnPrefix(scope, text)))
  if (!name.tag.startsWith(STAGING_TAG_PREFIX)) return name
  throw new ImgctlError('NAME_INVALID', `tags that start with ${STAGING_TAG_PREFIX} are kept for uploads`, {
    hint: `choose another tag: ${name.repository}:1.0`,
  })
}

/** Whether the text is a reference of the organization on this very server. */
export function isOwnReference(scope: ImageScope, text: string): boolean {
  return text.startsWith(`${scope.prefix}/`)
}

/** Runs a parser whose errors explain themselves in `context`, which the error body of the API has no field for. */
export function withContextInMessage<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ImgctlError) || error.context.length === 0) throw error
    const message = [error.message, ...error.context].join('\n')
    throw new ImgctlError(error.code, message, error.hint ? { hint: error.hint } : {})
  }
}

function stripOwnPrefix(scope: ImageScope, text: string): string {
  return isOwnReference(scope, text) ? text.slice(scope.prefix.length + 1) : text
}

function canonicalName(scope: ImageScope, text: string): string {
  const bare = stripOwnPrefix(scope, text)
  try {
    return formatImageName(parseImageName(bare))
  } catch (error) {
    if (error instanceof ImgctlError) return bare
    throw error
  }
}
