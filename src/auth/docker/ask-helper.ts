import { type ExecFileException, execFile } from 'node:child_process'
import { ImgctlError } from '../../errors/error.ts'
import { makeVisible } from '../../internal/control-characters.ts'
import { isRecord } from '../../internal/is-record.ts'
import type { RegistryCredentials } from '../../ports/registry-credentials.ts'
import { findProgram, helperProgram, isHelperName } from './helper-program.ts'

/** A keychain answers at once and a cloud's helper in seconds. One that asks somebody who is not there never does. */
const HELPER_TIMEOUT_MS = 10_000
/** A token is a few kilobytes. */
const MAX_ANSWER_BYTES = 64 * 1024
/** One line of an error message. */
const MAX_MESSAGE_LENGTH = 200
/** What helpers write, in all their implementations, when they have nothing for the registry. */
const NOT_FOUND = /^credentials not found\b/i
/** The user name that says: the secret is an identity token. */
const TOKEN_USER = '<token>'

export interface HelperEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  /** How long a helper may take, milliseconds; HELPER_TIMEOUT_MS when absent. */
  readonly helperTimeoutMs?: number
}

/** Why a helper gave no answer; `message` is what it said itself. */
interface Failure {
  readonly why: string
  readonly message?: string
}

/**
 * Runs `docker-credential-NAME get`: the registry goes in on stdin, its credentials come back as JSON. No shell, and
 * no secret in an argument or an error.
 * https://github.com/docker/docker-credential-helpers#development
 *
 * @param configFile named in errors: where the helper is configured
 * @param key the registry as docker names it to helpers
 * @returns undefined when the helper has nothing for it
 * @throws ImgctlError CREDENTIALS_UNAVAILABLE naming the helper; the signal's reason
 */
export async function askHelper(
  name: string,
  key: string,
  configFile: string,
  { variables, platform, helperTimeoutMs = HELPER_TIMEOUT_MS }: HelperEnvironment,
  signal?: AbortSignal,
): Promise<RegistryCredentials | undefined> {
  const program = isHelperName(name) ? await findProgram(helperProgram(name), variables, platform) : undefined
  if (program === undefined) throw missingHelper(name, configFile)
  const answer = await run(program, key, { variables, timeoutMs: helperTimeoutMs }, signal)
  if (typeof answer !== 'string') {
    if (answer.message !== undefined && NOT_FOUND.test(answer.message)) return undefined
    throw brokenHelper(name, configFile, answer)
  }
  const credentials = readAnswer(answer)
  if (credentials === undefined) throw brokenHelper(name, configFile, { why: 'answered with no credentials' })
  return credentials
}

/** @returns what it wrote on stdout, or why that cannot be used */
function run(
  program: string,
  input: string,
  { variables, timeoutMs }: { variables: HelperEnvironment['variables']; timeoutMs: number },
  signal: AbortSignal | undefined,
): Promise<string | Failure> {
  return new Promise((resolve, reject) => {
    const options = {
      env: { ...variables },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_ANSWER_BYTES,
      windowsHide: true,
      ...(signal ? { signal } : {}),
    } as const
    const child = execFile(program, ['get'], options, (error, stdout) => {
      if (signal?.aborted) reject(signal.reason)
      else resolve(error ? failure(error, stdout, timeoutMs) : stdout)
    })
    // A helper that ends without reading says why with its exit code.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function failure(error: ExecFileException, stdout: string, timeoutMs: number): Failure {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return { why: 'wrote too much' }
  if (error.killed) return { why: `gave no answer in ${timeoutMs / 1000} s` }
  if (typeof error.code === 'string') return { why: `cannot be run (${error.code})` }
  const message = errorLine(stdout)
  return { why: `failed (${error.signal ?? `exit ${error.code}`})`, ...(message ? { message } : {}) }
}

/** The message that a failed helper writes on stdout; nothing of what may be an answer with a secret in it. */
function errorLine(stdout: string): string | undefined {
  const line = stdout.trim().split(/\r?\n/, 1)[0] ?? ''
  return /[{}"]/.test(stdout) ? undefined : makeVisible(line).slice(0, MAX_MESSAGE_LENGTH)
}

function readAnswer(text: string): RegistryCredentials | undefined {
  const { Username: username, Secret: secret } = parse(text)
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return undefined
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

function missingHelper(name: string, configFile: string): ImgctlError {
  const what = isHelperName(name)
    ? `which is not on PATH (${helperProgram(name)})`
    : 'which cannot be the name of one'
  return new ImgctlError(
    'CREDENTIALS_UNAVAILABLE',
    `${configFile} names the credential helper ${JSON.stringify(name)}, ${what}`,
    { hint: `install it, or take it out of ${configFile} and log in again: docker login` },
  )
}

function brokenHelper(name: string, configFile: string, { why, message }: Failure): ImgctlError {
  const program = helperProgram(name)
  const said = message === undefined ? '' : `: ${message}`
  return new ImgctlError('CREDENTIALS_UNAVAILABLE', `the credential helper ${program} ${why}${said}`, {
    hint: `see whether it works: ${program} list; it is named in ${configFile}`,
  })
}
