import { ImgctlError } from '../errors/error.ts'
import { makeVisible } from '../internal/control-characters.ts'

/** Names in messages are cut here: an archive may hold names of a megabyte. */
const MAX_SHOWN_NAME = 120

/** The archive is not acceptable; `problem` says what is wrong with which entry. */
export function archiveInvalid(problem: string, cause?: unknown): ImgctlError {
  return new ImgctlError('ARCHIVE_INVALID', `the archive is not valid: ${problem}`, { cause })
}

/** A name from an archive, harmless for a terminal and of bounded length. */
export function quoteName(name: string): string {
  const shown = name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}...` : name
  return `'${makeVisible(shown.replace(/[\t\n]/g, ' '))}'`
}
