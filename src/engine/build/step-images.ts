import { setTimeout as sleep } from 'node:timers/promises'
import type { EngineConnection } from '../connection.ts'
import { inspectImage } from '../images.ts'

/** Mostly a tenth of a second. After Ctrl-C an engine that hangs must not hold the user. */
const REMOVE_TIMEOUT_MS = 2000
/** How long the engine may still hold an image after a build that it stopped. */
const RETRY_INTERVAL_MS = 50

/**
 * Removes the images that the steps of a failed build left, the last first: the classic builders make one of each
 * step, and list the last of them without a name. One that meanwhile has a name, or serves another image, stays.
 *
 * @param ids as the builder printed them, shortened, in the order of the steps
 * @param force also the containers that a stopped build still has on them: Podman lets the step go on
 */
export async function removeStepImages(
  engine: EngineConnection,
  ids: readonly string[],
  force: boolean,
): Promise<void> {
  const signal = AbortSignal.timeout(REMOVE_TIMEOUT_MS)
  for (const id of ids.toReversed()) {
    // It may be gone, or in use; an image without a name is no reason to report another error than the build's.
    if (!(await removed(engine, id, force, signal))) return
  }
}

async function removed(
  engine: EngineConnection,
  shortId: string,
  force: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      const { id, repoTags } = await inspectImage(engine, shortId, signal)
      // A short id may also be read as a name.
      if (!id.startsWith(`sha256:${shortId}`) || repoTags.length > 0) return false
      const query = { noprune: 'true', force: String(force) }
      await engine.send({ method: 'DELETE', path: `/images/${id}`, query, signal })
      return true
    } catch {
      await sleep(RETRY_INTERVAL_MS, undefined, { signal }).catch(() => {})
    }
  }
  return false
}
