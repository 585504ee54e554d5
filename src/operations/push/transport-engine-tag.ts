import type { Descriptor } from '../../oci/manifest.ts'
import type { Platform } from '../../oci/platform.ts'
import type { EnginePush } from '../../ports/engine-push.ts'
import { pushAgain } from './engine-first.ts'
import { PassingTag } from './passing-tag.ts'
import { confirmedContent } from './register.ts'
import type { ImageSource } from './source.ts'
import type { TransferJob } from './transfer.ts'
import { layerEvent, learnedDescriptor } from './transport-engine.ts'

/** What a name that is to be pushed stands for in the engine: no image, the one that is pushed, or another one. */
export type StandsFor = 'nothing' | 'this' | 'another'

export async function standsFor(
  engine: EnginePush,
  source: ImageSource,
  target: string,
  signal: AbortSignal | undefined,
): Promise<StandsFor> {
  const there = await engine.imageId(target, signal)
  if (there === undefined) return 'nothing'
  return there === (await engine.imageId(nameInEngine(source), signal)) ? 'this' : 'another'
}

export interface EngineTagPush {
  /** `HOST/REPOSITORY:TAG` */
  readonly target: string
  readonly tag: string
  /** Whether the engine has an image of that name: it keeps it. */
  readonly isThere: boolean
  readonly platform?: Platform | undefined
}

/**
 * Lets the engine push an image under its final name, and takes that name from it again when it had it not before.
 *
 * @returns what the registry has under that name now: the very bytes that the engine says it pushed
 */
export async function pushTagByEngine(
  job: TransferJob,
  engine: EnginePush,
  { target, tag: name, isThere, platform }: EngineTagPush,
): Promise<Descriptor> {
  const { source, repository, onEvent, signal } = job
  const { host, credentials, secure } = repository.location
  const tag = new PassingTag(engine, target, ({ message }) =>
    onEvent({ type: 'note', message: `the engine keeps the name ${target}: ${message}` }),
  )
  const release = async () => {
    if (!isThere) await tag.remove()
  }
  onEvent({ type: 'phase', phase: 'push' })
  try {
    if (!isThere) await tag.add(source, signal)
    const auth = credentials && { ...credentials, registry: host }
    const { digest } = await pushAgain(engine, job, target, auth, {
      secure,
      ...(platform ? { platform } : {}),
      onProgress: (progress) => onEvent(layerEvent(progress)),
      ...(signal ? { signal } : {}),
    })
    const pushed = confirmedContent(repository, name, digest, signal)
    const [descriptor] = await Promise.all([learnedDescriptor(job, pushed), release()])
    return descriptor
  } finally {
    await release()
  }
}

function nameInEngine({ engineReference, title }: ImageSource): string {
  return engineReference ?? title
}
