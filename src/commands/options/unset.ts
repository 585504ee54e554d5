import { ImgctlError } from '../../errors/error.ts'

/**
 * Refuses options that mean nothing here.
 *
 * @param flags each option's key with the flag that is shown for it
 * @param why the rest of the sentence that the flag begins
 * @throws ImgctlError USAGE naming the first that was given
 */
export function assertUnset<Options extends object>(
  options: Options,
  flags: Partial<Record<keyof Options, string>>,
  why: string,
): void {
  for (const [key, flag] of Object.entries(flags) as [keyof Options, string][]) {
    const value = options[key]
    if (!isUnset(value)) throw new ImgctlError('USAGE', `${flag} ${why}`)
  }
}

/** What an option is when it is not given: nothing, off, or a list or record without entries. */
function isUnset(value: unknown): boolean {
  if (value === undefined || value === false) return true
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
