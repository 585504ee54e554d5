import { makeVisible } from '../../internal/control-characters.ts'
import type { SecretMask } from './secret-mask.ts'

/** A tool may write without newlines for ever: longer lines are cut, in UTF-16 units. */
export const MAX_LINE_LENGTH = 16 * 1024

/** Colours and weights (SGR): lost on purpose. Other control characters are made visible. */
const COLOUR = /\x1b\[[\d;]*m/g

/** Cuts the output of one stream of a step into lines that are fit to be shown. */
export class LogLines {
  readonly #decoder = new TextDecoder()
  readonly #mask: SecretMask
  #rest = ''

  constructor(mask: SecretMask) {
    this.#mask = mask
  }

  /** The lines that are complete now. A carriage return ends a line, as a progress bar in the output uses it. */
  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r?\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    return [...lines.map((line) => this.#fit(line)), ...this.#overlong()]
  }

  /** What is left when the step is over. */
  end(): string[] {
    const rest = (this.#rest + this.#decoder.decode()).replace(/\r$/, '')
    this.#rest = ''
    return rest === '' ? [] : [this.#fit(rest)]
  }

  /** A secret that is not complete yet stays in the rest: cut in two it would not be seen. */
  #overlong(): string[] {
    if (this.#rest.length <= MAX_LINE_LENGTH) return []
    const hidden = this.#mask.hide(this.#rest)
    const cut = hidden.length - this.#mask.reach
    this.#rest = hidden.slice(cut)
    return [this.#fit(hidden.slice(0, cut))]
  }

  #fit(line: string): string {
    return makeVisible(this.#mask.hide(line.replace(COLOUR, '')))
  }
}
