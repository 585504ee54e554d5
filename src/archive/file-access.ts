import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { ImgctlError } from '../errors/error.ts'
import { hasSystemCode, systemCode } from '../internal/system-code.ts'
import { quoteName } from './archive-error.ts'

/**
 * What is at a path, undefined when nothing is.
 *
 * @throws ImgctlError FILE_UNREADABLE; `shown` names the file in the message
 */
export async function statIfThere(fullPath: string, shown: string): Promise<Stats | undefined> {
  try {
    return await stat(fullPath)
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw unreadable(shown, cause)
  }
}

/**
 * Opens a file for reading; a named pipe does not block.
 *
 * @throws ImgctlError FILE_NOT_FOUND, FILE_UNREADABLE; `shown` names the file in the message
 */
export async function openFile(fullPath: string, shown: string): Promise<FileHandle> {
  try {
    // Windows has no O_NONBLOCK and no named pipes among files.
    return await open(fullPath, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (cause) {
    if (isMissing(cause))
      throw new ImgctlError('FILE_NOT_FOUND', `there is no file ${quoteName(shown)}`, { cause })
    throw unreadable(shown, cause)
  }
}

/** Nothing is at a path, or the path cannot exist. */
function isMissing(error: unknown): boolean {
  return hasSystemCode(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE')
}

export function unreadable(shown: string, cause: unknown): ImgctlError {
  const why = systemCode(cause) === 'EACCES' ? 'permission denied' : (systemCode(cause) ?? 'read error')
  return new ImgctlError('FILE_UNREADABLE', `${quoteName(shown)} cannot be read: ${why}`, { cause })
}
