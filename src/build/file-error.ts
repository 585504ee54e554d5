import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'
import { systemCode } from '../internal/system-code.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it is gone',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its path is too long',
}

/** A path or a name in a message: harmless for a terminal. */
export function quote(path: string): string {
  return `'${makeVisible(path.replace(/[\t\n]/g, ' '))}'`
}

/** @param what the file in words, with its name */
export function unreadable(what: string, cause: unknown, hint?: string): ImgctlError {
  const code = systemCode(cause)
  const why = (code === undefined ? undefined : REASONS[code]) ?? code ?? 'read error'
  return new ImgctlError('FILE_UNREADABLE', `${what} cannot be read: ${why}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  })
}
