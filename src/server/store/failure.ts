import { ImgctlError } from '../../errors/error.ts'

/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555
const SQLITE_CONSTRAINT_UNIQUE = 2067

/** Whether a statement failed because a row with that key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_CONSTRAINT_UNIQUE || code === SQLITE_CONSTRAINT_PRIMARYKEY
}

/** Whether a statement failed because the disk is full. */
export function isDatabaseFull(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_FULL
}

/** The error that users see when the disk of the data folder is full, whatever found that out. */
export function diskFull(cause: unknown): ImgctlError {
  return new ImgctlError('DISK_FULL', "the server's disk is full", {
    hint: 'delete images that are no longer needed, or give the data folder more space',
    retryable: true,
    cause,
  })
}

/** Whether another connection holds the lock that a statement needs. */
export function isDatabaseBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY
}

function sqliteCode(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error ? error.errcode : undefined
}
