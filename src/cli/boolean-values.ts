import type { Command, Option } from 'commander'
import { ImgctlError } from '../errors/error.ts'

/** Go's words for true and false (strconv.ParseBool), which docker takes. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  ...{ 1: true, t: true, T: true, true: true, TRUE: true, True: true },
  ...{ 0: false, f: false, F: false, false: false, FALSE: false, False: false },
}

/**
 * Lets a command's switches have a value, as docker's have: `--human=false`, `--no-trunc=true`, `-q=false`. Commander
 * knows them without one only.
 */
export function takeBooleanValues(command: Command): void {
  const parse = command.parseOptions.bind(command)
  command.parseOptions = (args) => parse(withoutValues(args, command.options))
}

/** @throws ImgctlError USAGE for a value that is neither true nor false */
function withoutValues(args: readonly string[], options: readonly Option[]): string[] {
  const end = args.indexOf('--')
  const given = end < 0 ? args : args.slice(0, end)
  const plain: string[] = []
  for (const word of given) {
    const [, name, value] = /^(--?[A-Za-z][\w-]*)=(.*)$/s.exec(word) ?? []
    const option = options.find(({ long, short }) => name !== undefined && (long === name || short === name))
    if (name === undefined || value === undefined || !isSwitch(option)) plain.push(word)
    else if (booleanOf(name, value)) plain.push(name)
    else switchOff(plain, option, options)
  }
  return end < 0 ? plain : [...plain, ...args.slice(end)]
}

/** The last one counts: what was given before goes, and what is on by itself is negated. */
function switchOff(plain: string[], option: Option, options: readonly Option[]): void {
  const { long, short } = option
  const before = plain.filter((word) => word !== long && word !== short)
  plain.splice(0, plain.length, ...before)
  const opposite = options.find((other) => other !== option && positive(other) === positive(option))
  if (opposite?.long) plain.push(opposite.long)
}

/** `--trunc` for `--no-trunc` too. */
function positive({ long }: Pick<Option, 'long'>): string | undefined {
  return long?.replace(/^--no-/, '--')
}

function isSwitch(option: Option | undefined): option is Option {
  return option !== undefined && !option.required && !option.optional
}

function booleanOf(name: string, value: string): boolean {
  const found = Object.hasOwn(BOOLEANS, value) ? BOOLEANS[value] : undefined
  if (found !== undefined) return found
  throw new ImgctlError('USAGE', `${name} does not take ${JSON.stringify(value)}: it takes true or false`)
}
