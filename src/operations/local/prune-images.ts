import { isCode } from '../../errors/error.ts'
import type { EngineDisk, ListedImage } from '../../ports/engine-catalog.ts'
import { type RemovalOutcome, type RemovingEngine, removePlanned } from './remove-planned.ts'

export interface PruneOutcome extends RemovalOutcome {
  readonly image: ListedImage
}

export interface Pruned {
  readonly outcomes: readonly PruneOutcome[]
  /** Bytes that images took before and do not take now. */
  readonly reclaimedBytes: number
}

/**
 * Deletes exactly the planned images, in order. One that is gone already is no failure; one that got a name or a
 * container since the plan was made stays, and is told.
 */
export async function pruneImages(
  engine: RemovingEngine & EngineDisk,
  plan: readonly ListedImage[],
  onOutcome: (outcome: PruneOutcome) => void,
  signal: AbortSignal,
): Promise<Pruned> {
  const before = await engine.imageBytes(signal)
  const outcomes: PruneOutcome[] = []
  for (const image of plan) {
    const names = [...image.tags, ...image.digests]
    const removal = { id: image.id, names, isWhole: true, parents: false }
    const removed = await removePlanned(engine, removal, signal)
    const isGone = isCode(removed.error, 'IMAGE_NOT_FOUND')
    const outcome = { image, ...removed, error: isGone ? undefined : removed.error }
    outcomes.push(outcome)
    onOutcome(outcome)
  }
  const after = await engine.imageBytes(signal)
  return { outcomes, reclaimedBytes: Math.max(0, before - after) }
}
