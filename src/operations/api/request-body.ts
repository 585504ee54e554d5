import { readFile } from 'node:fs/promises'
import { ImgctlError } from '../../errors/error.ts'
import { hasSystemCode } from '../../internal/system-code.ts'

/**
 * The JSON that `--data` means: itself, `@FILE`, or `@-` (and `-`) for stdin.
 *
 * @throws ImgctlError USAGE when it is not JSON, FILE_NOT_FOUND, FILE_UNREADABLE
 */
export async function readRequestBody(data: string, stdin: () => Promise<string>): Promise<string> {
  const body =
    data === '@-' || data === '-' ? await stdin() : data.startsWith('@') ? await read(data.slice(1)) : data
  try {
    JSON.parse(body)
    return body
  } catch (cause) {
    throw new ImgctlError('USAGE', 'the body is not JSON', {
      hint: 'quote it for the shell, or put it into a file: --data @body.json',
      cause,
    })
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (hasSystemCode(cause, 'ENOENT'))
      throw new ImgctlError('FILE_NOT_FOUND', `there is no file ${path}`, { cause })
    throw new ImgctlError('FILE_UNREADABLE', `the file cannot be read: ${path}`, { cause })
  }
}
