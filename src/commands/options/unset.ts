import { ImgctlError } from '../../errors/error.ts'

/**
 * Refuses options that mean nothing here.
 *
 * @param flags each option's key with the flag that is shown for it
 * @param instead why, and what to type
 * @throws ImgctlError USAGE naming the first that was given
 */
export function assertUnset<Options extends object>(
  options: Options,
  flags: Partial<Record<keyof Options, string>>,
  why: string,
): void {
  for (const [key, flag] of Object.entries(flags) as [keyof Options, string][]) {
    const value = options[key]
    const isUnset = value === undefined || value === false || (Array.isArray(value) && value.length === 0)
    if (!isUnset) throw new ImgctlError('USAGE', `${flag} ${why}`)
  }
}
