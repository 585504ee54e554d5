import type { CreateImage, ImageSource } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { formatImageName, type ImageName } from '../../oci/image-name.ts'
import { formatReference, parseReference, referenceError } from '../../oci/reference.ts'
import { tagManifest } from '../content/tags.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { type ImageScope, isOwnReference, parseRequestedName, withContextInMessage } from './find.ts'
import { insertImage } from './new-image.ts'
import { findPushed } from './pushed-content.ts'
import { retryImage } from './retry.ts'
import { updateImage } from './update.ts'

export interface Creation {
  readonly scope: ImageScope
  readonly body: CreateImage
  readonly actor: string
  readonly now: number
}

/**
 * Makes an image of what was pushed by digest, or of a reference of another registry. Asked again for the same
 * content it answers the image that is there: with the fields of this request, and tried again if it had failed.
 *
 * @throws ImgctlError NAME_INVALID, NAME_TAKEN, NOT_FOUND (nothing was pushed), QUOTA_EXCEEDED, BAD_REQUEST
 */
export async function createImage(trx: Trx, creation: Creation): Promise<ImageTable> {
  const { scope, body, actor, now } = creation
  const { name, source, digest: wanted } = parseRequest(scope, body)
  const existing = await imageOfName(trx, scope, name)
  const known = { ...fields(body), organizationId: scope.organizationId, name, source, actor, now }
  if (source.kind === 'registry') {
    if (!existing) return insertImage(trx, { ...known, digest: null })
    if (!isSameSource(existing, source)) throw nameTaken(existing)
    return reuseImage(trx, existing, creation)
  }
  const { repositoryId, digest } = await findPushed(trx, scope.organizationId, name, wanted)
  if (existing) {
    if (existing.digest !== digest) throw nameTaken(existing)
    return reuseImage(trx, existing, creation)
  }
  const image = await insertImage(trx, { ...known, digest })
  await tagManifest(trx, { repositoryId, tag: name.tag, digest, now })
  return image
}

interface Request {
  readonly name: ImageName
  readonly source: ImageSource
  readonly digest: Digest | undefined
}

function parseRequest(scope: ImageScope, body: CreateImage): Request {
  const name = parseRequestedName(scope, body.name)
  const { digest } = body
  if (digest !== undefined && !isDigest(digest)) {
    throw new ImgctlError('BAD_REQUEST', 'digest is not a sha256 or sha512 digest')
  }
  const kind = body.source?.kind ?? (digest || isOwnReference(scope, body.name) ? 'pushed' : 'registry')
  if (kind === 'pushed') {
    if (body.source?.reference === undefined) return { name, source: { kind }, digest }
    throw new ImgctlError('BAD_REQUEST', 'what was pushed has no source.reference', {
      hint: 'leave it out, or use {"source": {"kind": "registry"}} to have the reference fetched',
    })
  }
  const reference = parseSourceReference(body.source?.reference ?? body.name, digest)
  return { name, source: { kind, reference }, digest }
}

/** The whole reference, pinned when a digest is given. Without tag and digest nobody knows what is meant. */
function parseSourceReference(text: string, digest: Digest | undefined): string {
  const reference = withContextInMessage(() => {
    const parsed = parseReference(text)
    if (parsed.tag !== undefined || parsed.digest !== undefined || digest !== undefined) return parsed
    throw referenceError(text, { rule: 'a tag is missing', position: text.length, suggestion: `${text}:1.0` })
  })
  if (digest !== undefined && reference.digest !== undefined && reference.digest !== digest) {
    throw new ImgctlError('BAD_REQUEST', 'digest and source.reference name different digests')
  }
  return formatReference(digest === undefined ? reference : { ...reference, digest })
}

function imageOfName(trx: Trx, { organizationId }: ImageScope, name: ImageName) {
  return trx
    .selectFrom('images')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .where('name', '=', formatImageName(name))
    .executeTakeFirst()
}

function isSameSource(image: ImageTable, source: ImageSource): boolean {
  const { kind, reference } = JSON.parse(image.sourceJson) as ImageSource
  return kind === source.kind && reference === source.reference
}

async function reuseImage(trx: Trx, image: ImageTable, { body, actor, now }: Creation): Promise<ImageTable> {
  const updated = await updateImage(trx, image, fields(body), { actor, now })
  return image.state === 'error' ? retryImage(trx, updated, { actor, now }) : updated
}

/** The fields of a request that describe an image, one by one, and only those that are there. */
function fields({ entrypoint, labels, visibility, description }: CreateImage) {
  return {
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(labels === undefined ? {} : { labels }),
    ...(visibility === undefined ? {} : { visibility: visibility as 'private' | 'public' }),
    ...(description === undefined ? {} : { description }),
  }
}

function nameTaken({ name, digest, sourceJson }: ImageTable): ImgctlError {
  const { reference } = JSON.parse(sourceJson) as ImageSource
  const content = digest ?? `what is fetched from ${reference}`
  return new ImgctlError('NAME_TAKEN', `${name} is already the name of ${content}`, {
    hint: `use another name; or delete it first: imgctl image delete ${name}; or keep it and use what is there${
      digest ? `: ${name}@${digest}` : ''
    }`,
  })
}
