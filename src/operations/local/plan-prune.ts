import type { Digest } from '../../oci/digest.ts'
import type { EngineCatalog, EngineContainers, ListedImage } from '../../ports/engine-catalog.ts'

/** `key`, `key=value`; negated: images that do not have it. */
export interface LabelCondition {
  readonly key: string
  readonly value: string | undefined
  readonly negated: boolean
}

export interface PruneQuery {
  /** Also images that have a name, when no container was made from them. */
  readonly named: boolean
  /** Only images that were created before, in milliseconds since 1970. */
  readonly before: number | undefined
  /** All of them must hold. */
  readonly labels: readonly LabelCondition[]
}

/**
 * The images that nothing needs, as they are now: each after those that were made from it. An image stays when a
 * container was made from it, or another image that stays.
 */
export async function planPrune(
  engine: EngineCatalog & EngineContainers,
  query: PruneQuery,
  signal: AbortSignal,
): Promise<ListedImage[]> {
  const images = await engine.listImages({ intermediate: true }, signal)
  const used = new Set((await engine.containers(signal)).map(({ imageId }) => imageId))
  const children = childrenOf(images)
  const goes = new Map<Digest, boolean>()
  const plan: ListedImage[] = []
  const decide = (image: ListedImage): boolean => {
    const known = goes.get(image.id)
    if (known !== undefined) return known
    // An engine that names an image its own parent must not hold us.
    goes.set(image.id, false)
    const needed = (children.get(image.id) ?? []).map(decide).includes(false)
    const isGoing = !needed && !used.has(image.id) && isMeant(image, query)
    goes.set(image.id, isGoing)
    if (isGoing) plan.push(image)
    return isGoing
  }
  for (const image of images) decide(image)
  return plan
}

function childrenOf(images: readonly ListedImage[]): Map<Digest, ListedImage[]> {
  const children = new Map<Digest, ListedImage[]>()
  for (const image of images) {
    if (image.parentId === undefined) continue
    children.set(image.parentId, [...(children.get(image.parentId) ?? []), image])
  }
  return children
}

function isMeant(image: ListedImage, { named, before, labels }: PruneQuery): boolean {
  const hasName = image.tags.length > 0 || image.digests.length > 0
  if (hasName && !named) return false
  if (before !== undefined && Date.parse(image.createdAt) >= before) return false
  return labels.every(({ key, value, negated }) => {
    const has = Object.hasOwn(image.labels, key) && (value === undefined || image.labels[key] === value)
    return has !== negated
  })
}
