import { isCode } from '../../errors/error.ts'
import type { Descriptor } from '../../oci/manifest.ts'
import type { Platform } from '../../oci/platform.ts'
import type { EngineImages } from '../../ports/engine.ts'
import type { EnginePush } from '../../ports/engine-push.ts'
import { pushAgain } from './engine-first.ts'
import type { ImageSource } from './source.ts'
import type { TransferJob } from './transfer.ts'
import { layerEvent, pushedDescriptor } from './transport-engine.ts'

/**
 * Whether the engine may push a tag as it is: it has no image of that name, or this very one. A name that stands
 * for another image there is not moved.
 */
export async function canPushTag(
  engine: EngineImages,
  source: ImageSource,
  target: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const there = await imageId(engine, target, signal)
  return there === undefined || there === (await imageId(engine, nameInEngine(source), signal))
}

/** Lets the engine push an image under its final name, and takes that name from it again when it had it not before. */
export async function pushTagByEngine(
  job: TransferJob,
  engine: EnginePush & EngineImages,
  target: string,
  platform?: Platform,
): Promise<Descriptor> {
  const { source, repository, onEvent, signal } = job
  const { host, credentials, secure } = repository.location
  const hadIt = (await imageId(engine, target, signal)) !== undefined
  onEvent({ type: 'phase', phase: 'push' })
  try {
    if (!hadIt) await engine.tagImage(nameInEngine(source), target, signal)
    const auth = credentials && { ...credentials, registry: host }
    const { digest } = await pushAgain(engine, job, target, auth, {
      secure,
      ...(platform ? { platform } : {}),
      onProgress: (progress) => onEvent(layerEvent(progress)),
      ...(signal ? { signal } : {}),
    })
    return await pushedDescriptor(job, digest)
  } finally {
    if (!hadIt) {
      await engine.untagImage(target).catch((error: Error) => {
        onEvent({ type: 'note', message: `the engine keeps the name ${target}: ${error.message}` })
      })
    }
  }
}

function nameInEngine({ engineReference, title }: ImageSource): string {
  return engineReference ?? title
}

async function imageId(
  engine: EngineImages,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return (await engine.inspectImage(name, signal)).id
  } catch (error) {
    if (isCode(error, 'IMAGE_NOT_FOUND')) return undefined
    throw error
  }
}
