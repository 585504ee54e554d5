import { setTimeout as sleep } from 'node:timers/promises'
import type { Image, Reason, ReasonCode } from '../contract/image.ts'
import type { ErrorCode } from '../errors/codes.ts'
import { ImgctlError, isCode } from '../errors/error.ts'
import type { ServerImages } from '../ports/server.ts'

export interface WaitOptions {
  /** How long to wait from now, in milliseconds. */
  readonly deadlineMs: number
  /** What the server said just now: it is not asked for that again. */
  readonly from?: Image
  readonly signal?: AbortSignal
  /** Called with the image when its state, step or reason is another than before; first with what it is now. */
  readonly onState?: (image: Image) => void
}

/** A server needs some 30 ms for an image of a few layers, a second for one of many: the first looks are close together. */
const FIRST_POLL_MS = 40
/** Often enough that nobody waits for the poll, seldom enough that many clients cost the server nothing. */
const LONGEST_POLL_MS = 2_000
const POLL_GROWTH = 1.5
/** A server that is being restarted comes back in this time; the work goes on there by itself. */
const LONGEST_OUTAGE_MS = 60_000

/** Reasons that have an error code of their own; the others are IMAGE_REJECTED. */
const REASON_ERRORS: Partial<Record<ReasonCode, ErrorCode>> = {
  ARCH_MISMATCH: 'ARCH_MISMATCH',
  MANIFEST_INVALID: 'MANIFEST_INVALID',
  BLOB_MISSING: 'BLOB_MISSING',
  DIGEST_MISMATCH: 'DIGEST_MISMATCH',
  TOO_LARGE: 'TOO_LARGE',
  QUOTA_EXCEEDED: 'QUOTA_EXCEEDED',
  INTERNAL: 'SERVER_ERROR',
}

/**
 * Waits until an image is active, polling by id. Short outages of the server are sat out.
 *
 * @returns the active image
 * @throws ImgctlError the reason's code or IMAGE_REJECTED when it ends in `error`; IMAGE_NOT_FOUND when it is deleted
 *   meanwhile; TIMEOUT at the deadline, the work goes on
 */
export async function waitForImage(
  server: Pick<ServerImages, 'image'>,
  id: string,
  { deadlineMs, from, signal, onState }: WaitOptions,
): Promise<Image> {
  const deadline = Date.now() + deadlineMs
  let seen: Image | undefined
  let lastAnswer = Date.now()
  let answered = from
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * POLL_GROWTH, LONGEST_POLL_MS)) {
    try {
      const image = answered ?? (await server.image(id, signal))
      answered = undefined
      lastAnswer = Date.now()
      if (!seen || isNews(seen, image)) onState?.(image)
      seen = image
      if (image.state === 'active') return image
      if (image.state === 'error') throw rejection(image)
      if (image.state === 'removing') throw deleted(image.name)
    } catch (error) {
      if (isCode(error, 'IMAGE_NOT_FOUND', 'NOT_FOUND') && seen) throw deleted(seen.name)
      if (!isTransient(error) || Date.now() - lastAnswer > LONGEST_OUTAGE_MS) throw error
    }
    const left = deadline - Date.now()
    if (left <= 0) throw deadlinePassed(seen, id, deadlineMs)
    await pauseFor(Math.min(pause, left), signal)
  }
}

/** Why an image in `error` is not accepted, as the server says it. */
export function rejection({ name, reason, errorReason }: Image): ImgctlError {
  if (!reason) {
    return new ImgctlError(
      'IMAGE_REJECTED',
      `image ${name}: processing failed: ${errorReason ?? 'no reason given'}`,
    )
  }
  const { code, message, hint, retryable } = reason
  const error = REASON_ERRORS[code] ?? 'IMAGE_REJECTED'
  return new ImgctlError(error, `image ${name}: processing failed: ${message} (${code})`, {
    hint: withRetry(name, reason, hint),
    retryable,
  })
}

function withRetry(name: string, { retryable }: Reason, hint: string): string {
  return retryable && !hint.includes('image retry') ? `${hint}, then: imgctl image retry ${name}` : hint
}

function isNews(before: Image, now: Image): boolean {
  const { reason: a } = before
  const { reason: b } = now
  return before.state !== now.state || before.step !== now.step || a?.at !== b?.at || a?.code !== b?.code
}

function isTransient(error: unknown): boolean {
  return (
    isCode(error, 'SERVER_UNREACHABLE', 'RATE_LIMITED') || (isCode(error, 'SERVER_ERROR') && error.retryable)
  )
}

function deleted(name: string): ImgctlError {
  return new ImgctlError('IMAGE_NOT_FOUND', `image ${name} was deleted while the server worked on it`)
}

function deadlinePassed(image: Image | undefined, id: string, deadlineMs: number): ImgctlError {
  const name = image?.name ?? id
  const state = image ? `is ${image.state}` : 'has not been seen'
  const message = `image ${name} ${state} after ${deadlineMs / 1000} s: still running on the server`
  return new ImgctlError('TIMEOUT', message, {
    hint: `look again: imgctl image inspect --remote ${name}; or wait longer with --timeout`,
    retryable: true,
  })
}

async function pauseFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
