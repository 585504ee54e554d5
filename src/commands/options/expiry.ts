import { ImgctlError } from '../../errors/error.ts'
import type { OptionDefinition } from '../command.ts'
import { usage } from './kinds.ts'

const DAY_MS = 86_400_000
const UNIT_MS = { h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, y: 365 * DAY_MS } as const
/** Beyond this nobody plans; `never` says it better. */
const MAX_EXPIRY_MS = 100 * UNIT_MS.y

/** When a key ends: a length of time from now in milliseconds, a point in time, or never. */
export type Expiry = { readonly inMs: number } | { readonly at: Date } | 'never'

/** `--expires 90d`, `--expires 2027-01-31`, `--expires never`. */
export const expires: OptionDefinition<Expiry> = {
  flags: '--expires <time>',
  description: 'when the key ends: 12h, 90d, 4w, 1y, a date like 2027-01-31, or never',
  absent: 'never',
  absentText: 'never',
  parse(text) {
    if (text === 'never') return 'never'
    const [, count, unit] = /^([1-9]\d{0,6})([hdwy])$/.exec(text) ?? []
    const inMs = Number(count) * (UNIT_MS[unit as keyof typeof UNIT_MS] ?? Number.NaN)
    if (inMs <= MAX_EXPIRY_MS) return { inMs }
    const at = /^\d{4}-\d\d-\d\d(?:T\S+)?$/.test(text) ? new Date(text) : undefined
    if (at && !Number.isNaN(at.getTime())) return { at }
    throw usage('--expires', text, '12h, 90d, 4w, 1y, a date like 2027-01-31, or never')
  },
}

/**
 * @returns RFC 3339; null: never
 * @throws ImgctlError USAGE for a time that has passed
 */
export function expiryTime(expiry: Expiry, now: number): string | null {
  if (expiry === 'never') return null
  if (!('at' in expiry)) return new Date(now + expiry.inMs).toISOString()
  const time = expiry.at.toISOString()
  if (expiry.at.getTime() > now) return time
  throw new ImgctlError('USAGE', `--expires: ${time} has passed`, {
    hint: 'name a time to come: --expires 90d, --expires never',
  })
}
