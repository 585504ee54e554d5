import type { OptionDefinition } from '../command.ts'
import { usage } from './kinds.ts'

const SECOND_MS = 1000
const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: SECOND_MS, ms: 1 } as const
const DURATION = /^(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+$/
const PART = /(\d+(?:\.\d+)?)(d|h|ms|m|s)/g
const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/

/**
 * The moment that docker's `until=` filter means: `24h` ago, a date with or without a time (this machine's when it
 * names no zone), or seconds since 1970.
 *
 * @param flag the option that has the value, for the error
 * @returns milliseconds since 1970
 * @throws ImgctlError USAGE
 */
export function parseUntil(text: string, now: number, flag = '--filter'): number {
  if (/^\d{9,}(?:\.\d+)?$/.test(text)) return Number(text) * SECOND_MS
  if (DURATION.test(text)) return now - milliseconds(text)
  // A date alone would be taken for UTC.
  const time = DATE.test(text) ? Date.parse(text.length === 10 ? `${text}T00:00` : text) : Number.NaN
  if (Number.isNaN(time)) {
    const form = flag === '--filter' ? 'until=' : ''
    throw usage(flag, form + text, `${form}24h, ${form}2026-01-31 or ${form}2026-01-31T08:00:00Z`)
  }
  return time
}

/** An age, `90m`, `24h`, `30d`; the value is in milliseconds. */
export function olderThan(flags: string, description: string): OptionDefinition<number | undefined> {
  const parse = (value: string) => {
    if (DURATION.test(value)) return milliseconds(value)
    throw usage(flags, value, 'an age: 90m, 24h, 30d')
  }
  return { flags, description, absent: undefined, parse }
}

function milliseconds(duration: string): number {
  let sum = 0
  for (const [, count, unit] of duration.matchAll(PART)) {
    sum += Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
  }
  return sum
}
