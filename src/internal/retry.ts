import { setTimeout as sleep } from 'node:timers/promises'
import { ImgctlError } from '../errors/error.ts'

export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number
  /** The first wait's upper bound, milliseconds; it doubles each time. */
  readonly baseMs: number
  readonly maxMs: number
  readonly signal?: AbortSignal
  readonly onRetry?: (error: ImgctlError, attempt: number, waitMs: number) => void
}

/** Three quick tries and one patient one: a restart of the other side (about 5 s) is survived. */
export const DEFAULT_RETRY = { attempts: 5, baseMs: 250, maxMs: 8_000 } as const

/** A longer `Retry-After` is for the user to decide about: the error is shown at once. */
export const MAX_RETRY_AFTER_SECONDS = 120

/**
 * Calls `action` again while it throws an ImgctlError with `retryable`, with full-jitter back-off
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); `Retry-After` is honoured.
 *
 * @throws the signal's reason when it aborts, also during a wait
 */
export async function retry<T>(policy: RetryPolicy, action: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    policy.signal?.throwIfAborted()
    try {
      return await action(attempt)
    } catch (error) {
      await backOff(policy, error, attempt)
    }
  }
}

/** Waits before the try that follows `attempt`, or throws `error` when there is to be none. */
export async function backOff(policy: RetryPolicy, error: unknown, attempt: number): Promise<void> {
  if (!(error instanceof ImgctlError) || !error.retryable || attempt >= policy.attempts) throw error
  if (error.retryAfter !== undefined && error.retryAfter > MAX_RETRY_AFTER_SECONDS) throw error
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1))
  const waitMs = error.retryAfter === undefined ? Math.random() * ceiling : error.retryAfter * 1000
  policy.onRetry?.(error, attempt, waitMs)
  await sleep(waitMs, undefined, policy.signal ? { signal: policy.signal } : {}).catch((interrupted) => {
    policy.signal?.throwIfAborted()
    throw interrupted
  })
}
