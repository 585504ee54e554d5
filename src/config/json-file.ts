import { constants } from 'node:fs'
import { chmod, copyFile, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ImgctlError } from '../errors/error.ts'
import { writeFileDurably } from '../internal/durable-file.ts'
import { isRecord } from '../internal/is-record.ts'
import { withProcessLock } from '../internal/process-lock.ts'
import { hasSystemCode, isDiskFull } from '../internal/system-code.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** Beside the files of a folder, so that whoever shares those shares their locks. */
const LOCK_FOLDER = '.locks'

/** Beyond this many kept files nobody looks at them. */
const MAX_BACKUPS = 100

/**
 * The object in a JSON file; an empty one when the file is not there.
 *
 * @param repair what to do when it holds something else
 * @throws ImgctlError FILE_UNREADABLE naming the file, never quoting it: it may hold secrets
 */
export async function parseJsonFile(
  file: string,
  read: () => Promise<string> = () => readFile(file, 'utf8'),
  {
    repair = 'repair it, or run imgctl login again: that starts a new one and keeps this as .bak',
  }: { readonly repair?: string } = {},
): Promise<JsonObject> {
  let text: string
  try {
    text = await read()
  } catch (cause) {
    if (hasSystemCode(cause, 'ENOENT', 'ENOTDIR')) return {}
    const reason = hasSystemCode(cause, 'EACCES') ? 'permission denied' : 'it cannot be read'
    throw new ImgctlError('FILE_UNREADABLE', `${file}: ${reason}`, { cause })
  }
  const json = tryParse(text)
  if (isRecord(json)) return json
  throw new ImgctlError('FILE_UNREADABLE', `${file} is not a JSON object`, { hint: repair })
}

/** A change of a JSON file, and what becomes of one that cannot be parsed. */
export interface JsonChange {
  readonly change: (json: JsonObject) => JsonObject
  /** Told where a broken file went; without this a broken file is an error. */
  readonly onBackup?: ((file: string, backup: string) => void) | undefined
}

/**
 * Replaces a JSON file (0600, in a 0700 folder) by what `change` makes of it. Changes of several processes happen one
 * after the other, so that none is lost.
 *
 * @throws ImgctlError FILE_UNREADABLE, DISK_FULL
 */
export async function changeJsonFile(file: string, { change, onBackup }: JsonChange): Promise<void> {
  try {
    await withProcessLock(join(dirname(file), LOCK_FOLDER), basename(file), async () => {
      const json = await readOrBackUp(file, onBackup)
      await writeFileDurably(file, `${JSON.stringify(change(json), undefined, 2)}\n`)
    })
  } catch (error) {
    throw error instanceof ImgctlError ? error : writeError(file, error)
  }
}

async function readOrBackUp(file: string, onBackup: JsonChange['onBackup']): Promise<JsonObject> {
  try {
    return await parseJsonFile(file)
  } catch (error) {
    const isBroken = error instanceof ImgctlError && error.cause === undefined
    if (!isBroken || onBackup === undefined) throw error
    onBackup(file, await backUp(file))
    return {}
  }
}

/** A copy that replaces no earlier one. @returns its name */
async function backUp(file: string): Promise<string> {
  for (let number = 1; ; number++) {
    const copy = number === 1 ? `${file}.bak` : `${file}.bak.${number}`
    try {
      await copyFile(file, copy, constants.COPYFILE_EXCL)
      await chmod(copy, 0o600)
      return copy
    } catch (error) {
      if (!hasSystemCode(error, 'EEXIST') || number >= MAX_BACKUPS) throw error
    }
  }
}

function writeError(file: string, cause: unknown): ImgctlError {
  if (isDiskFull(cause)) return new ImgctlError('DISK_FULL', `${file}: the disk is full`, { cause })
  const reason = hasSystemCode(cause, 'EROFS')
    ? 'its file system is read-only'
    : hasSystemCode(cause, 'EACCES', 'EPERM')
      ? 'permission denied'
      : 'its folder cannot be used'
  return new ImgctlError('FILE_UNREADABLE', `${file} cannot be written: ${reason}`, {
    cause,
    hint: 'name a folder that can be: IMGCTL_CONFIG_DIR=DIR; or log in without any file: IMGCTL_API_KEY',
  })
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
