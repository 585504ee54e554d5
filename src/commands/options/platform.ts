import { type Platform, parsePlatform } from '../../oci/platform.ts'
import type { OptionDefinition } from '../command.ts'
import { usage } from './kinds.ts'

/** `--platform linux/amd64` */
export function platform(description: string): OptionDefinition<Platform | undefined> {
  return {
    flags: '--platform <os/arch>',
    description,
    absent: undefined,
    parse(value) {
      const parsed = parsePlatform(value)
      if (parsed === undefined) throw usage('--platform', value, 'os/architecture, like linux/amd64')
      return parsed
    },
  }
}
