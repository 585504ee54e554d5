import { ImgctlError } from '../../errors/error.ts'
import type { OptionDefinition } from '../command.ts'
import { usage } from './kinds.ts'

/** One `--filter key=value`, as docker has it. */
export interface Filter<Key extends string = string> {
  readonly key: Key
  readonly value: string
}

/** `--filter`, that may be given again; only these keys. */
export function filters<const Key extends string>(
  description: string,
  keys: readonly Key[],
): OptionDefinition<readonly Filter<Key>[]> {
  return {
    flags: '--filter <key=value>',
    description: `${description}: ${keys.join(', ')}; may be given again`,
    absent: [],
    parse(text, before) {
      const equals = text.indexOf('=')
      const typed = text.slice(0, equals)
      const key = keys.find((known) => known === typed)
      if (equals > 0 && key !== undefined && equals + 1 < text.length) {
        return [...before, { key, value: text.slice(equals + 1) }]
      }
      throw usage('--filter', text, `key=value with one of the keys ${keys.join(', ')}`)
    },
  }
}

/** The values of the filters with this key, in the order in which they were given. */
export function valuesOf<Key extends string>(filters: readonly Filter<Key>[], key: Key): string[] {
  return filters.flatMap((filter) => (filter.key === key ? [filter.value] : []))
}

/** The value of a filter that can hold once. @throws ImgctlError USAGE when it was given with different values */
export function singleValueOf<Key extends string>(
  filters: readonly Filter<Key>[],
  key: Key,
): string | undefined {
  const values = new Set(valuesOf(filters, key))
  if (values.size <= 1) return [...values][0]
  throw new ImgctlError('USAGE', `--filter ${key}=... can be given once only`)
}

/** As singleValueOf, for what is true or false. @throws ImgctlError USAGE */
export function booleanOf<Key extends string>(
  filters: readonly Filter<Key>[],
  key: Key,
): boolean | undefined {
  const value = singleValueOf(filters, key)
  if (value === undefined) return undefined
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw usage('--filter', `${key}=${value}`, `${key}=true or ${key}=false`)
}
