import { ImgctlError } from '../../errors/error.ts'
import type { ArgumentDefinition, OptionDefinition } from '../command.ts'

/** @param choices the values there are; what else is given is for the command to refuse */
export function required(
  form: `<${string}>`,
  description: string,
  choices?: readonly string[],
): ArgumentDefinition<string> {
  return { form, description, ...(choices ? { choices } : {}) }
}

export function optional(form: `[${string}]`, description: string): ArgumentDefinition<string | undefined> {
  return { form, description }
}

export function several(
  form: `<${string}...>` | `[${string}...]`,
  description: string,
): ArgumentDefinition<readonly string[]> {
  return { form, description }
}

/** A switch that is off unless it is given. */
export function flag(flags: string, description: string): OptionDefinition<boolean> {
  return { flags, description, absent: false }
}

/** A switch that is on unless `--no-...` is given. */
export function negation(flags: `--no-${string}`, description: string): OptionDefinition<boolean> {
  return { flags, description, absent: true }
}

export function text(flags: string, description: string): OptionDefinition<string | undefined> {
  return { flags, description, absent: undefined, parse: (value) => nonEmpty(flags, value) }
}

/** Given once for each value. */
export function texts(flags: string, description: string): OptionDefinition<readonly string[]> {
  return { flags, description, absent: [], parse: (value, before) => [...before, nonEmpty(flags, value)] }
}

export function choice<const C extends string>(
  flags: string,
  description: string,
  choices: readonly C[],
): OptionDefinition<C | undefined> {
  const parse = (value: string) => {
    const found = choices.find((allowed) => allowed === value)
    if (found !== undefined) return found
    throw usage(flags, value, `one of: ${choices.join(', ')}`)
  }
  return { flags, description, absent: undefined, choices, parse }
}

export function integer(
  flags: string,
  description: string,
  { min, max }: { readonly min: number; readonly max: number },
): OptionDefinition<number | undefined> {
  const parse = (value: string) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw usage(flags, value, `a whole number from ${min} to ${max}`)
  }
  return { flags, description, absent: undefined, parse }
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const DURATION = /^(?:\d+(?:ms|s|m|h))+$/

/** A length of time, `90s`, `10m`, `1h30m`; the value is in milliseconds. A bare number is seconds. */
export function duration(flags: string, description: string, absent: string): OptionDefinition<number> {
  const parse = (value: string) => {
    if (/^\d+$/.test(value)) return Number(value) * UNIT_MS.s
    if (!DURATION.test(value)) throw usage(flags, value, 'a length of time: 90s, 10m, 1h30m')
    let total = 0
    for (const [, count, unit] of value.matchAll(/(\d+)(ms|s|m|h)/g)) {
      total += Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
    }
    return total
  }
  return { flags, description, absent: parse(absent), absentText: absent, parse }
}

const UNIT_BYTES = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const
const SIZE = /^(\d+(?:\.\d+)?)([kmg]?)$/i

/** A count of bytes, `512k`, `2M`, `1.5G` (1024 each, as curl counts); the value is in bytes. */
export function size(
  flags: string,
  description: string,
  { min, max }: { readonly min: number; readonly max: number },
): OptionDefinition<number | undefined> {
  const parse = (value: string) => {
    const [, count = '', unit = ''] = SIZE.exec(value) ?? []
    const bytes = Math.round(
      Number(count || Number.NaN) * UNIT_BYTES[unit.toLowerCase() as keyof typeof UNIT_BYTES],
    )
    if (bytes >= min && bytes <= max) return bytes
    throw usage(flags, value, `a size from ${formatSize(min)} to ${formatSize(max)}: 512k, 2M`)
  }
  return { flags, description, absent: undefined, parse }
}

function formatSize(bytes: number): string {
  const unit = (['g', 'm', 'k'] as const).find((each) => bytes >= UNIT_BYTES[each])
  return unit === undefined
    ? `${bytes}`
    : `${Math.floor(bytes / UNIT_BYTES[unit])}${unit === 'k' ? 'k' : unit.toUpperCase()}`
}

/** The error for a value that an option does not take. */
export function usage(flags: string, value: string, expected: string): ImgctlError {
  const message = `${longFlag(flags)} does not take ${JSON.stringify(value)}: it takes ${expected}`
  return new ImgctlError('USAGE', message)
}

function nonEmpty(flags: string, value: string): string {
  if (value !== '') return value
  throw new ImgctlError('USAGE', `${longFlag(flags)} needs a value`)
}

function longFlag(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags
}
