import { type ImgctlError, isCode } from '../../errors/error.ts'
import { backOff, DEFAULT_RETRY } from '../../internal/retry.ts'
import type { EnginePush } from '../../ports/engine-push.ts'
import type { TransferJob } from './transfer.ts'

/** Engines say that they were told to wait, never for how long. */
const AGAIN = { ...DEFAULT_RETRY, baseMs: 1_000 } as const

/**
 * Lets the engine push. What it may be unable to do, and we are not, is done from here, which is said: to reach the
 * registry (from a VM, through a proxy, with a certificate that it does not trust), to push an image that has no tag,
 * to send bodies that a proxy on the way lets through.
 */
export async function engineFirst<T>(
  { onEvent }: TransferJob,
  byEngine: () => Promise<T>,
  fromHere: () => Promise<T>,
): Promise<T> {
  try {
    return await byEngine()
  } catch (error) {
    if (!isCode(error, 'REGISTRY_UNREACHABLE', 'UNSUPPORTED', 'TOO_LARGE')) throw error
    onEvent({ type: 'note', message: `the engine cannot push it, sending it from here (${error.message})` })
    return fromHere()
  }
}

/**
 * As `pushImage` of the engine, and again as a whole when what it gives up at once may pass: the engine skips what
 * arrived. A broken line and a registry's 5xx it has tried again itself by then.
 */
export async function pushAgain(
  engine: EnginePush,
  { onEvent, signal }: TransferJob,
  ...[target, auth, options]: Parameters<EnginePush['pushImage']>
): ReturnType<EnginePush['pushImage']> {
  const onRetry = ({ message }: ImgctlError) =>
    onEvent({ type: 'note', message: `${message}, it is asked to push again` })
  const policy = { ...AGAIN, onRetry, ...(signal ? { signal } : {}) }
  for (let attempt = 1; ; attempt++) {
    try {
      return await engine.pushImage(target, auth, options)
    } catch (error) {
      if (!isCode(error, 'RATE_LIMITED', 'ENGINE_ERROR')) throw error
      await backOff(policy, error, attempt)
    }
  }
}
