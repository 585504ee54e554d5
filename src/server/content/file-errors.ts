import { diskFull } from '../store/failure.ts'

/** A full disk as the error that users see; any other error as it is. */
export function fromFileError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' ? diskFull(error) : error
}

export function isMissingFile(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
