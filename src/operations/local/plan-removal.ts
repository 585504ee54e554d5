import { ImgctlError, isCode } from '../../errors/error.ts'
import type { Digest } from '../../oci/digest.ts'
import { familiarReference, repositoryOf, tryParseReference } from '../../oci/reference.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EngineCatalog, EngineContainers, ListedImage } from '../../ports/engine-catalog.ts'
import { inUse, usersOf } from './image-users.ts'

/** What is taken from one image. */
export interface PlannedRemoval {
  /** The targets that named it, as they were typed. */
  readonly targets: readonly string[]
  readonly id: Digest
  /** The names that go, in order. */
  readonly names: readonly string[]
  /** Of these, the ones that nobody named. */
  readonly unasked: readonly string[]
  /** An id named it. */
  readonly isWhole: boolean
  /** No name is left: the image goes with them, unless another was made from it. */
  readonly isLast: boolean
  /** Bytes that the image has; what it shares with others stays. */
  readonly size: number
}

export type RemovalEngine = EngineCatalog & EngineContainers & EngineImages

/**
 * What a removal would do. Nothing is changed.
 *
 * @param targets names, digests or ids
 * @throws ImgctlError IMAGE_NOT_FOUND naming every one that is not there; NAME_INVALID; CONFLICT naming the
 *   containers that use an image which would go
 */
export async function planRemoval(
  engine: RemovalEngine,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<PlannedRemoval[]> {
  const found = await findImages(engine, [...new Set(targets)], signal)
  const images = new Map(
    (await engine.listImages({ intermediate: true }, signal)).map((one) => [one.id, one]),
  )
  const byDigestAlone = await digestsGoAlone(engine, found, signal)
  const ids = [...new Set(found.map(({ id }) => id))]
  const plan = ids.map((id) => {
    const named = found.filter((one) => one.id === id).map(({ target }) => target)
    return removalOf(images.get(id) ?? unlisted(id), named, byDigestAlone)
  })
  const containers = await engine.containers(signal)
  for (const { id, targets, isLast } of plan) {
    const users = isLast ? usersOf(containers, id) : []
    if (users.length > 0) throw inUse(targets[0]!, id, users)
  }
  return plan
}

interface Found {
  readonly target: string
  readonly id: Digest
}

/** The image of each target. */
async function findImages(
  engine: EngineImages,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = []
  const missing: ImgctlError[] = []
  for (const target of targets) {
    try {
      found.push({ target, id: (await engine.inspectImage(target, signal)).id })
    } catch (error) {
      if (!isCode(error, 'IMAGE_NOT_FOUND')) throw error
      missing.push(error)
    }
  }
  const [first, ...others] = missing
  if (first === undefined) return found
  if (targets.length === 1) throw first
  throw new ImgctlError('IMAGE_NOT_FOUND', `${first.message} (nothing was deleted)`, {
    context: others.map(({ message }) => message),
    ...(first.hint ? { hint: first.hint } : {}),
  })
}

/** With a digest, containerd's store also removes the tags that the repository has for it. */
async function digestsGoAlone(
  engine: EngineImages,
  found: readonly Found[],
  signal: AbortSignal,
): Promise<boolean> {
  if (!found.some(({ target }) => target.includes('@'))) return true
  return (await engine.info(signal)).store === 'classic'
}

function removalOf(image: ListedImage, targets: readonly string[], digestsGoAlone: boolean): PlannedRemoval {
  const meant = targets.map((target) => nameMeant(image, target))
  const isById = meant.includes(undefined)
  const repositories = digestsGoAlone
    ? []
    : meant.flatMap((name) => (name?.includes('@') ? repositoryOf(name) : []))
  const tags = image.tags.filter(
    (tag) => isById || meant.includes(tag) || repositories.includes(repositoryOf(tag)),
  )
  const digests = image.digests.filter((digest) => meant.includes(digest))
  const untagged = new Set(tags.map(repositoryOf))
  const digestsLeft = image.digests.filter(
    (digest) => !digests.includes(digest) && !untagged.has(repositoryOf(digest)),
  )
  return {
    targets,
    id: image.id,
    names: [...tags, ...digests],
    // An image's one tag is as good as its id: docker too takes it without a question.
    unasked: isById && tags.length === 1 ? [] : tags.filter((tag) => !meant.includes(tag)),
    isWhole: isById,
    isLast: isById || (tags.length === image.tags.length && digestsLeft.length === 0),
    size: image.size,
  }
}

/** The name of the image that a target stands for; undefined when it is an id. */
function nameMeant(image: ListedImage, target: string): string | undefined {
  const parsed = tryParseReference(target)
  if ('rule' in parsed) return undefined
  const { tag = 'latest', digest, ...repository } = parsed
  const name = familiarReference({ ...repository, ...(digest === undefined ? { tag } : { digest }) })
  // Podman finds its own `localhost/app` when `app` is asked for.
  const known = [...image.tags, ...image.digests]
  return [name, `localhost/${name}`].find((candidate) => known.includes(candidate))
}

/** An engine may know an image and not list it. */
function unlisted(id: Digest): ListedImage {
  return { id, parentId: undefined, tags: [], digests: [], createdAt: '', size: 0, labels: {} }
}
