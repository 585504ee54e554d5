import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileDurably } from '../internal/durable-file.ts'
import { isRecord } from '../internal/is-record.ts'
import { withProcessLock } from '../internal/process-lock.ts'
import { type AccessToken, type Account, accountName } from '../ports/credentials.ts'

/**
 * The access token of one login, in a 0600 file in a 0700 folder, so that commands that follow each other do not
 * each ask for a new one. It may be lost at any time; a folder that cannot be written means that nothing is kept.
 */
export class TokenCache {
  readonly #folder: string
  readonly #account: Account
  readonly #scope: string

  /**
   * @param folder for things that may be lost, the same for all processes of a user
   * @param scope of the store that has the refresh token: accounts of the same name elsewhere are other logins
   */
  constructor(folder: string, scope: string, account: Account) {
    this.#folder = folder
    this.#scope = scope
    this.#account = account
  }

  get #file(): string {
    return join(this.#folder, 'tokens', `${fileName(`${this.#scope}\n${accountName(this.#account)}`)}.json`)
  }

  async read(): Promise<AccessToken | undefined> {
    try {
      const json: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      return isRecord(json) ? toToken(json) : undefined
    } catch {
      return undefined
    }
  }

  async write(token: AccessToken): Promise<void> {
    await writeFileDurably(this.#file, JSON.stringify(token)).catch(() => {})
  }

  async clear(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {})
  }
}

/**
 * Runs `action` while no other process of this user works on the login of this account, whatever store it is in.
 * Where no lock can be made (a read-only home), it runs without: two refreshes at once are better than none.
 *
 * @param folder as for the cache
 */
export async function withLoginLock<T>(
  folder: string,
  account: Account,
  action: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let ran = false
  const noted = () => {
    ran = true
    return action()
  }
  try {
    return await withProcessLock(join(folder, 'locks'), fileName(accountName(account)), noted, signal)
  } catch (error) {
    signal?.throwIfAborted()
    if (ran) throw error
    return action()
  }
}

/** Servers' URLs have characters that no file's name may have. */
function fileName(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

function toToken({ value, issuedAt, expiresAt }: Record<string, unknown>): AccessToken | undefined {
  const isWhole = typeof value === 'string' && typeof issuedAt === 'number' && typeof expiresAt === 'number'
  return isWhole ? { value, issuedAt, expiresAt } : undefined
}
