import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ImgctlError } from '../../errors/error.ts'
import { makeVisible } from '../../internal/control-characters.ts'
import { type Account, accountName, type Credential, type CredentialStore } from '../../ports/credentials.ts'
import { credentialText, parseCredential } from '../credential-text.ts'
import type { KeychainAnswer, KeychainRequest } from './protocol.ts'

/** A keychain answers in milliseconds; one that waits for an unlock that nobody sees never does. */
const KEYCHAIN_TIMEOUT_MS = 3_000
/** The start of the process that asks it takes 0.1 s, and longer where every core is busy: that is not its fault. */
const START_TIMEOUT_MS = 10_000
/** Enough of a keychain's own words to search for. */
const MAX_REASON_LENGTH = 200

const NO_ANSWER = `it did not answer in ${KEYCHAIN_TIMEOUT_MS / 1000} s (is it locked?)`

/** Put in by scripts/build.mjs: where the bundle has the program, seen from a chunk. */
declare const IMGCTL_KEYCHAIN_PROGRAM: string | undefined

const PROGRAM = new URL(
  typeof IMGCTL_KEYCHAIN_PROGRAM === 'string' ? IMGCTL_KEYCHAIN_PROGRAM : './program.ts',
  import.meta.url,
)

export interface KeychainOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The program to ask instead of the real one. */
  readonly program?: URL
}

/** The OS keychain: Keychain on macOS, Credential Manager on Windows, the Secret Service on Linux. */
export class KeychainStore implements CredentialStore {
  readonly kind = 'keychain'
  readonly scope = 'keychain'
  readonly #options: KeychainOptions

  constructor(options: KeychainOptions) {
    this.#options = options
  }

  async read(account: Account): Promise<Credential | undefined> {
    const answer = await this.#ask({ operation: 'read', account: accountName(account) })
    const secret = 'secret' in answer ? answer.secret : null
    return secret === null ? undefined : parseCredential(secret)
  }

  async write(account: Account, credential: Credential): Promise<void> {
    const secret = credentialText(credential)
    await this.#ask({ operation: 'write', account: accountName(account), secret })
  }

  async remove(account: Account): Promise<boolean> {
    const answer = await this.#ask({ operation: 'remove', account: accountName(account) })
    return 'removed' in answer && answer.removed
  }

  /** A keychain that can be read can be written. */
  async assertWritable(): Promise<void> {}

  async #ask(request: KeychainRequest): Promise<KeychainAnswer> {
    const { environment, program = PROGRAM } = this.#options
    const child = spawn(process.execPath, [fileURLToPath(program)], {
      env: withoutSecrets(environment),
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    let late: string | undefined
    const killAfter = (milliseconds: number, reason: string) =>
      setTimeout(() => {
        late = reason
        child.kill('SIGKILL')
      }, milliseconds)
    let timer = killAfter(START_TIMEOUT_MS, 'the process that asks it did not start in time')
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (output === '') {
        clearTimeout(timer)
        timer = killAfter(KEYCHAIN_TIMEOUT_MS, NO_ANSWER)
      }
      output += chunk
    })
    try {
      child.stdin.on('error', () => {})
      child.stdin.end(JSON.stringify(request))
      await once(child, 'close')
      if (late !== undefined) throw unavailable(late)
      const answer = parseAnswer(output)
      if (answer === undefined) throw unavailable('asking it failed')
      if ('failure' in answer) throw unavailable(reasonOf(answer.failure))
      return answer
    } catch (error) {
      throw error instanceof ImgctlError ? error : unavailable('asking it failed', error)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The program needs the session bus and the home folder, and no key. */
function withoutSecrets(environment: KeychainOptions['environment']): Record<string, string | undefined> {
  const { IMGCTL_API_KEY: _, NODE_OPTIONS: __, ...rest } = environment
  return rest
}

function parseAnswer(output: string): KeychainAnswer | undefined {
  try {
    return JSON.parse(output)
  } catch {
    return undefined
  }
}

function reasonOf(failure: string): string {
  return makeVisible(failure.replace(/\s+/g, ' ').trim()).slice(0, MAX_REASON_LENGTH)
}

function unavailable(reason: string, cause?: unknown): ImgctlError {
  return new ImgctlError('CREDENTIALS_UNAVAILABLE', `the keychain cannot be used: ${reason}`, {
    hint: 'unlock it; or IMGCTL_CREDENTIAL_STORE=file imgctl login, or set IMGCTL_API_KEY',
    ...(cause === undefined ? {} : { cause }),
  })
}
