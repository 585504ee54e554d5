import { Chalk, type ChalkInstance } from 'chalk'

export type Style = ChalkInstance
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Whether to write colours: `FORCE_COLOR` decides first (`0` and `false` are no), then `NO_COLOR`
 * (https://no-color.org), `TERM=dumb`, and at last whether the stream is a terminal. Node decides in this order too.
 */
export function usesColor(environment: Environment, isTTY: boolean): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: term } = environment
  if (force !== undefined) return force !== '0' && force !== 'false'
  if (no !== undefined && no !== '') return false
  return isTTY && term !== 'dumb'
}

export function createStyle(color: boolean): Style {
  return new Chalk({ level: color ? 1 : 0 })
}

/** `CI` is set and does not say no. */
export function isCI({ CI }: Environment): boolean {
  return CI !== undefined && CI !== '' && CI !== '0' && CI.toLowerCase() !== 'false'
}
