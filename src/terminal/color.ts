export type Environment = Readonly<Record<string, string | undefined>>

type Paint = (text: string) => string

/** The few colours that are used; each gives plain text back where colours are off. */
export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
}

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

/** SGR codes, ECMA-48 section 8.3.117. */
export function createStyle(color: boolean): Style {
  const paint =
    (on: number, off: number): Paint =>
    (text) =>
      color ? `\x1b[${on}m${text}\x1b[${off}m` : text
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  }
}

/** `CI` is set and does not say no. */
export function isCI({ CI }: Environment): boolean {
  return CI !== undefined && CI !== '' && CI !== '0' && CI.toLowerCase() !== 'false'
}
