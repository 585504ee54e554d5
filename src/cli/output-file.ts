import { ImgctlError } from '../errors/error.ts'
import { writeFileDurably } from '../internal/durable-file.ts'
import { isDiskFull, systemCode } from '../internal/system-code.ts'

/** As a shell's redirection would leave it with the usual umask. */
const MODE = 0o644

/** Replaces a file that the user named: whole or not at all. @throws ImgctlError FILE_UNREADABLE, DISK_FULL */
export async function writeOutputFile(path: string, text: string): Promise<void> {
  try {
    await writeFileDurably(path, text, MODE)
  } catch (cause) {
    if (isDiskFull(cause)) throw new ImgctlError('DISK_FULL', `${path}: the disk is full`, { cause })
    throw new ImgctlError('FILE_UNREADABLE', `${path} cannot be written (${systemCode(cause)})`, { cause })
  }
}
