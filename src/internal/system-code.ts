import { ImgctlError } from '../errors/error.ts'

/**
 * The code of an error of the operating system, Node, OpenSSL or undici: `ENOENT`. Undefined for every other error, an
 * ImgctlError too, whose codes are another list.
 */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof ImgctlError || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether an error has one of these codes of `systemCode`. */
export function hasSystemCode(error: unknown, ...codes: readonly string[]): boolean {
  const code = systemCode(error)
  return code !== undefined && codes.includes(code)
}

/** An error, its causes, and the parts of an aggregate (one for each address tried), nearest first. */
export function causesOf(error: unknown): unknown[] {
  const found: unknown[] = []
  const visit = (each: unknown): void => {
    if (each === undefined || found.includes(each)) return
    found.push(each)
    if (!(each instanceof Error)) return
    visit(each.cause)
    if (each instanceof AggregateError) each.errors.forEach(visit)
  }
  visit(error)
  return found
}

/** Whether a write failed because the disk, or the user's part of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return hasSystemCode(error, 'ENOSPC', 'EDQUOT')
}
