import type { HttpAnswer } from './http.ts'

/** Larger numbers are moments, in seconds since 1970; smaller ones are lengths. */
const EPOCH_SECONDS = 1_000_000_000
/** Names for when the limit begins anew, in the order in which they are believed. */
const RESET_HEADERS = ['x-retry-after', 'ratelimit-reset', 'x-ratelimit-reset', 'x-rate-limit-reset']
/** A window that slides frees a place now and then: it is looked at again after so much of it. */
const PART_OF_WINDOW = 1 / 24

/**
 * Seconds that the other side asks to wait; undefined when it does not say. `Retry-After` in both of its forms
 * (RFC 9110, section 10.2.3); of a 429 also what its rate limit headers say (draft-ietf-httpapi-ratelimit-headers, and
 * Docker Hub's `100;w=21600`).
 */
export function retryAfterOf(answer: Pick<HttpAnswer, 'status' | 'header'>): number | undefined {
  const stated = secondsOrDate(answer.header('retry-after'))
  if (stated !== undefined || answer.status !== 429) return stated
  for (const name of RESET_HEADERS) {
    const seconds = secondsOrMoment(answer.header(name))
    if (seconds !== undefined) return seconds
  }
  const [, reset] = /(?:^|[;,\s])(?:t|reset)=(\d{1,9})\b/.exec(answer.header('ratelimit') ?? '') ?? []
  if (reset !== undefined) return Number(reset)
  const [, window] = /;\s*w=(\d{1,9})\b/.exec(answer.header('ratelimit-limit') ?? '') ?? []
  return window === undefined ? undefined : Math.ceil(Number(window) * PART_OF_WINDOW)
}

function secondsOrDate(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,15}$/.test(value)) return Number(value)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : secondsUntil(date)
}

function secondsOrMoment(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,15}$/.test(value)) return undefined
  const number = Number(value)
  return number < EPOCH_SECONDS ? number : secondsUntil(number * 1000)
}

function secondsUntil(milliseconds: number): number {
  return Math.max(0, Math.ceil((milliseconds - Date.now()) / 1000))
}
