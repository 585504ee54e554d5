import type { ImageSource } from '../../contract/image.ts'
import { ImgctlError } from '../../errors/error.ts'
import { formatImageName, type ImageName, parseImageName, STAGING_TAG_PREFIX } from '../../oci/image-name.ts'
import type { Trx } from '../store/database.ts'
import type { ImageTable } from '../store/schema.ts'
import { insertImage } from './new-image.ts'
import { assertRoomForImage } from './quota.ts'
import { transition } from './states.ts'

export interface TagPush {
  readonly organizationId: string
  /** Path without the organization's slug. */
  readonly repository: string
  readonly tag: string
  readonly digest: string
  /** False for an artifact, a signature, a build cache: such a tag is no new image. */
  readonly isImage: boolean
  /** Who pushed, as shown to people. */
  readonly actor: string | null
  readonly now: number
}

/** What validation finds out anew about another digest. */
const UNKNOWN_CONTENT = { sizeBytes: null, platform: null, ownEntrypointJson: null }
const PUSHED: ImageSource = { kind: 'pushed' }

/**
 * A tag is a name: makes or moves the image of a tag that was just set. Call it in the transaction that sets the
 * tag, and wake the reconciler after the commit when the answer is true. The same digest again mends an image that
 * failed, and changes nothing otherwise.
 *
 * @returns whether an image now waits for the reconciler; false also for tags that cannot be image names, and for new
 * ones of what is no image
 * @throws ImgctlError QUOTA_EXCEEDED, FORBIDDEN (a general image is not moved): roll the push back
 */
export async function recordTagPush(trx: Trx, push: TagPush): Promise<boolean> {
  const name = imageNameOfTag(push.repository, push.tag)
  if (!name) return false
  const image = await imageOfTag(trx, push)
  if (!image) {
    if (!push.isImage) return false
    await insertImage(trx, { ...push, name, source: PUSHED })
    return true
  }
  const isSame = image.digest === push.digest
  if (isSame && image.state !== 'error') return false
  if (!isSame) assertNotGeneral(image, 'moved')
  await restartImage(trx, image, push, isSame ? 'retry' : 'moved')
  return true
}

export type TagDelete = Pick<TagPush, 'organizationId' | 'repository' | 'tag' | 'now'> & {
  readonly actor?: string | null
}

/**
 * A tag is a name: removes the image of a tag that is being deleted. Call it in the transaction that deletes the
 * tag.
 *
 * @throws ImgctlError FORBIDDEN when the image is general
 */
export async function recordTagDelete(trx: Trx, deletion: TagDelete): Promise<void> {
  const image = await imageOfTag(trx, deletion)
  if (!image) return
  await deleteImageRow(trx, image, deletion)
}

/**
 * Removes the row; a worker that has the image in hand notices that its lease is gone and stops.
 *
 * @throws ImgctlError FORBIDDEN when the image is general
 */
export async function deleteImageRow(
  trx: Trx,
  image: ImageTable,
  { now, actor }: { readonly now: number; readonly actor?: string | null },
): Promise<void> {
  assertNotGeneral(image, 'deleted')
  await transition(trx, image, 'removing', { now, actor: actor ?? null })
  await trx.deleteFrom('images').where('id', '=', image.id).execute()
}

/**
 * Where clients keep what refers to an image, when they do not use the referrers API: an index of it, or cosign's
 * signatures. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
 */
const REFERRERS_TAG = /^sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/

/**
 * The image name that a tag is, or undefined: `latest`, staging tags, tags of referrers and unusual paths are plain
 * registry tags.
 */
export function imageNameOfTag(repository: string, tag: string): ImageName | undefined {
  if (tag.startsWith(STAGING_TAG_PREFIX) || REFERRERS_TAG.test(tag)) return undefined
  let name: ImageName
  try {
    name = parseImageName(`${repository}:${tag}`)
  } catch (error) {
    if (error instanceof ImgctlError) return undefined
    throw error
  }
  // `library/app` is `app` in the short form: a tag of the one must not become the image of the other.
  return name.repository === repository ? name : undefined
}

function imageOfTag(trx: Trx, { organizationId, repository, tag }: Omit<TagDelete, 'now'>) {
  return trx
    .selectFrom('images')
    .selectAll()
    .where('organizationId', '=', organizationId)
    .where('name', '=', formatImageName({ repository, tag }))
    .executeTakeFirst()
}

/** Through the states again, as what was pushed. */
async function restartImage(
  trx: Trx,
  image: ImageTable,
  push: TagPush,
  event: 'moved' | 'retry',
): Promise<void> {
  if (image.state === 'error') await assertRoomForImage(trx, image.organizationId)
  await transition(trx, image, 'pending', {
    now: push.now,
    event,
    actor: push.actor,
    changes: { digest: push.digest, sourceJson: JSON.stringify(PUSHED), ...UNKNOWN_CONTENT },
  })
}

function assertNotGeneral(image: ImageTable, verb: string): void {
  if (image.general === 0) return
  throw new ImgctlError('FORBIDDEN', `${image.name} is a general image and cannot be ${verb}`, {
    hint: 'general images belong to the server; use another name',
  })
}
