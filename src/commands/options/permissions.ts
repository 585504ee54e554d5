import { PERMISSIONS, type Permission } from '../../contract/identity.ts'
import { usage } from './kinds.ts'

/** The permissions that were given, one by one or with commas between. @throws ImgctlError USAGE */
export function permissionsOf(flag: string, given: readonly string[]): Permission[] {
  const names = given.flatMap((text) => text.split(',')).map((name) => name.trim())
  return names.map((name) => {
    const found = PERMISSIONS.find((permission) => permission === name)
    if (found) return found
    throw usage(flag, name, `one of: ${PERMISSIONS.join(', ')}`)
  })
}
