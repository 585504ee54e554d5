import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { changeJsonFile, type JsonChange, parseJsonFile } from '../config/json-file.ts'
import { ImgctlError } from '../errors/error.ts'
import { isRecord } from '../internal/is-record.ts'
import { type Account, accountName, type Credential, type CredentialStore } from '../ports/credentials.ts'
import { credentialText, parseCredential } from './credential-text.ts'

/** Secrets in `credentials.json`: 0600 in a 0700 folder, apart from the config, which may be shared or shown. */
export class FileCredentialStore implements CredentialStore {
  readonly kind = 'file'
  readonly file: string
  readonly #onBackup: JsonChange['onBackup']

  /** @param onBackup makes a login survive a broken file: told where the old one is kept */
  constructor(folder: string, onBackup?: JsonChange['onBackup']) {
    this.file = join(folder, 'credentials.json')
    this.#onBackup = onBackup
  }

  get scope(): string {
    return `file:${this.file}`
  }

  async read(account: Account): Promise<Credential | undefined> {
    const text = secretsOf(await parseJsonFile(this.file))[accountName(account)]
    return typeof text === 'string' ? parseCredential(text) : undefined
  }

  async write(account: Account, credential: Credential): Promise<void> {
    await changeJsonFile(this.file, {
      change: (json) => ({
        credentials: { ...secretsOf(json), [accountName(account)]: credentialText(credential) },
      }),
      onBackup: this.#onBackup,
    })
  }

  async remove(account: Account): Promise<boolean> {
    const name = accountName(account)
    if (!(name in secretsOf(await parseJsonFile(this.file)))) return false
    await changeJsonFile(this.file, {
      change: (json) => {
        const { [name]: _, ...others } = secretsOf(json)
        return { credentials: others }
      },
    })
    return true
  }

  async assertWritable(): Promise<void> {
    try {
      await access(dirname(this.file), constants.W_OK)
    } catch (cause) {
      throw new ImgctlError('FILE_UNREADABLE', `${this.file} cannot be written`, {
        cause,
        hint: 'a new token could not be kept; make the folder writable, or set IMGCTL_API_KEY',
      })
    }
  }
}

function secretsOf({ credentials }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return isRecord(credentials) ? credentials : {}
}
