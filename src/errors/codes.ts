/**
 * The closed list of error codes and the process exit code of each. This is the one place that maps them;
 * `imgctl help exit-codes` and docs/exit-codes.md are made from it.
 */
export const EXIT_CODES = {
  INTERNAL: 1,
  ENGINE_ERROR: 1,
  BUILD_FAILED: 1,
  REGISTRY_ERROR: 1,
  SERVER_ERROR: 1,
  PARTIAL_FAILURE: 1,
  DISK_FULL: 1,
  FILE_UNREADABLE: 1,
  QUOTA_EXCEEDED: 1,
  UNSUPPORTED: 1,
  OUTPUT_CLOSED: 1,

  USAGE: 2,
  NAME_INVALID: 2,
  INPUT_REQUIRED: 2,
  BAD_REQUEST: 2,

  IMAGE_NOT_FOUND: 3,
  FILE_NOT_FOUND: 3,
  PROFILE_NOT_FOUND: 3,
  NOT_FOUND: 3,

  AUTH_REQUIRED: 4,
  FORBIDDEN: 4,
  CREDENTIALS_UNAVAILABLE: 4,
  LOGIN_FAILED: 4,

  ARCH_MISMATCH: 5,
  ARCHIVE_INVALID: 5,
  ARCHIVE_AMBIGUOUS: 5,
  MANIFEST_INVALID: 5,
  DIGEST_MISMATCH: 5,
  BLOB_MISSING: 5,
  TOO_LARGE: 5,
  IMAGE_REJECTED: 5,
  DATA_DAMAGED: 5,

  TIMEOUT: 6,

  NAME_TAKEN: 7,
  CONFLICT: 7,
  PRECONDITION_FAILED: 7,

  SERVER_UNREACHABLE: 8,
  ENGINE_UNREACHABLE: 8,
  REGISTRY_UNREACHABLE: 8,
  UPLOAD_LOST: 8,
  RATE_LIMITED: 8,

  INTERRUPTED: 130,
  TERMINATED: 143,
} as const

export type ErrorCode = keyof typeof EXIT_CODES
export type ExitCode = (typeof EXIT_CODES)[ErrorCode]

/** What each exit code tells a script, in the order of the table that users read. */
export const EXIT_MEANINGS: ReadonlyMap<number, string> = new Map([
  [0, 'done'],
  [1, 'failed'],
  [2, 'wrong usage, or an answer needed and no terminal'],
  [3, 'not found'],
  [4, 'not logged in, or not allowed'],
  [5, 'the image, archive or data folder is not acceptable'],
  [6, 'deadline passed; the work may go on'],
  [7, 'conflict'],
  [8, 'network, retries used up'],
  [130, 'stopped by SIGINT'],
  [143, 'stopped by SIGTERM'],
])
