import { ImgctlError } from '../../errors/error.ts'

/** A full disk as the error that users see; any other error as it is. */
export function fromFileError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new ImgctlError('DISK_FULL', "the server's disk is full", {
    hint: 'delete images that are no longer needed, or give the data folder more space',
    retryable: true,
    cause: error,
  })
}

export function isMissingFile(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
