import { text as readAll } from 'node:stream/consumers'
import { ImgctlError } from '../../errors/error.ts'
import { warningLine } from '../../terminal/streams.ts'
import type { CommandContext } from '../context.ts'

/** Service account keys of some registries are JSON of a few KB; nobody pipes more on purpose. */
const MAX_PASSWORD_BYTES = 10_000

export interface PasswordOptions {
  readonly password: string | undefined
  readonly passwordStdin: boolean
}

/**
 * A password: from stdin, from the command line with a warning, or typed unseen.
 *
 * @throws ImgctlError USAGE, INPUT_REQUIRED
 */
export async function readPassword(
  { password, passwordStdin }: PasswordOptions,
  { streams, askSecret }: Pick<CommandContext, 'streams' | 'askSecret'>,
  question: string,
): Promise<string> {
  if (password !== undefined && passwordStdin) {
    throw new ImgctlError('USAGE', '--password and --password-stdin exclude each other')
  }
  if (password !== undefined) {
    const { stderr } = streams
    const text = '--password is visible to other users of this machine; --password-stdin is not'
    stderr.write(warningLine(stderr, text))
    return checked(password)
  }
  if (passwordStdin) return checked(withoutLineEnd(await readAll(streams.stdin)))
  return checked(await askSecret(question, '--password-stdin'))
}

/** `echo secret |` adds one; a password that ends with one is not typed by anybody. */
function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '')
}

function checked(password: string): string {
  if (password === '') {
    throw new ImgctlError('INPUT_REQUIRED', 'the password is empty', { hint: 'pipe it: --password-stdin' })
  }
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES || /[\r\n\0]/.test(password)) {
    throw new ImgctlError('USAGE', 'this is no password: it is too long, or has more than one line')
  }
  return password
}
