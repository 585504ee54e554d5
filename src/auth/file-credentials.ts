import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord, parseJsonFile } from '../config/json-file.ts'
import { writeFileDurably } from '../internal/durable-file.ts'
import type { CredentialStore } from '../ports/credentials.ts'

/** Secrets in `credentials.json`: 0600 in a 0700 folder, apart from the config, which may be shared or shown. */
export class FileCredentialStore implements CredentialStore {
  readonly kind = 'file'
  readonly file: string

  constructor(folder: string) {
    this.file = join(folder, 'credentials.json')
  }

  async read(profile: string): Promise<string | undefined> {
    const secret = (await this.#secrets())[profile]
    return typeof secret === 'string' ? secret : undefined
  }

  async write(profile: string, secret: string): Promise<void> {
    await this.#replace({ ...(await this.#secrets()), [profile]: secret })
  }

  async remove(profile: string): Promise<void> {
    const { [profile]: removed, ...others } = await this.#secrets()
    if (removed !== undefined) await this.#replace(others)
  }

  async #secrets(): Promise<Readonly<Record<string, unknown>>> {
    const json = await parseJsonFile(this.file, () => readFile(this.file, 'utf8'))
    return isRecord(json['apiKeys']) ? json['apiKeys'] : {}
  }

  async #replace(apiKeys: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFileDurably(this.file, `${JSON.stringify({ apiKeys }, undefined, 2)}\n`, 0o600)
  }
}
