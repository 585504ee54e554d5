import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { isAlive } from '../../internal/process-alive.ts'
import { STAGING_TAG_PREFIX } from '../../oci/image-name.ts'
import type { EnginePush } from '../../ports/engine-push.ts'

/** Tells this machine's staging tags from those of others that share the engine. */
const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const OWN = new RegExp(`:${STAGING_TAG_PREFIX}${MACHINE}-(\\d+)-[0-9a-f]+$`)

/** A tag that only this run uses: it says who made it, so that a later run can tell whether that run is dead. */
export function newStagingTag(): string {
  return `${STAGING_TAG_PREFIX}${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}`
}

/** Removes the staging tags that killed runs of this machine left in the engine. */
export async function sweepStagingTags(
  engine: EnginePush,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const tags = await engine.listTags(STAGING_TAG_PREFIX, signal)
  const left = tags.filter((tag) => {
    const pid = Number(OWN.exec(tag)?.[1])
    return pid > 0 && pid !== process.pid && !isAlive(pid)
  })
  for (const tag of left) await engine.untagImage(tag)
  return left
}
