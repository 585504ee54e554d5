import type { Dockerfile } from './dockerfile.ts'

/** What FROM names that is no image. */
const EMPTY_IMAGE = 'scratch'

/** `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+instead}`. */
const VARIABLE = /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g

const FROM = /^(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?/i

/**
 * The images that the FROM lines name, each once, in their order: neither stages nor `scratch`, with the
 * arguments before the first FROM filled in. A name whose variable has no value is left out.
 * https://docs.docker.com/reference/dockerfile/#from
 *
 * @param buildArguments what the user gives, which wins over the defaults in the Dockerfile
 */
export function baseImages(
  { instructions }: Dockerfile,
  buildArguments: Readonly<Record<string, string>> = {},
): string[] {
  const first = instructions.findIndex(({ keyword }) => keyword === 'FROM')
  if (first < 0) return []
  const values = argumentValues(instructions.slice(0, first), buildArguments)
  const stages = new Set<string>([EMPTY_IMAGE])
  const images = new Set<string>()
  for (const { keyword, text } of instructions.slice(first)) {
    if (keyword !== 'FROM') continue
    const [, name = '', stage] = FROM.exec(text) ?? []
    const image = unquoted(fill(name, values) ?? '')
    if (image !== '' && !stages.has(image.toLowerCase())) images.add(image)
    if (stage !== undefined) stages.add(stage.toLowerCase())
  }
  return [...images]
}

/** The values of the arguments that FROM lines may use. */
function argumentValues(
  instructions: Dockerfile['instructions'],
  given: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const { keyword, text } of instructions) {
    if (keyword !== 'ARG') continue
    for (const [, name = '', initial] of text.matchAll(/(\w+)(?:=("[^"]*"|'[^']*'|\S*))?/g)) {
      const value = given[name] ?? (initial === undefined ? undefined : fill(unquoted(initial), values))
      if (value !== undefined) values.set(name, value)
    }
  }
  return values
}

/** @returns undefined when a variable has no value */
function fill(text: string, values: ReadonlyMap<string, string>): string | undefined {
  let missing = false
  const filled = text.replace(
    VARIABLE,
    (_, plain?: string, braced?: string, operator?: string, word = '') => {
      const value = values.get(plain ?? braced ?? '')
      if (operator === '+') return value ? word : ''
      if (operator === '-') return value || word
      missing ||= value === undefined
      return value ?? ''
    },
  )
  return missing ? undefined : filled
}

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2')
}
