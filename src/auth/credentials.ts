import type { ProfileStore } from '../config/profiles.ts'
import { ImgctlError, isCode } from '../errors/error.ts'
import type { Account, Credential, CredentialPlace, CredentialStore } from '../ports/credentials.ts'

/** An account that no login has. */
const NOBODY: Account = { profile: '', server: '' }

export interface CredentialsOptions {
  readonly profiles: ProfileStore
  readonly file: CredentialStore
  /** Made when it is needed: most commands do not. */
  readonly keychain: () => Promise<CredentialStore>
  /** `IMGCTL_CREDENTIAL_STORE`: decides outright. */
  readonly wanted: string | undefined
  /** Tells the user that a credential went to the file because the keychain cannot be used. */
  readonly onFallback: (file: string, reason: ImgctlError) => void
}

/**
 * Where credentials are: in the OS keychain, or in a file where that cannot be used. Each profile says which, so
 * that the keychain is asked only for a credential that is there.
 */
export class Credentials {
  readonly #options: CredentialsOptions

  /** @throws ImgctlError USAGE for a store that there is not */
  constructor(options: CredentialsOptions) {
    this.#options = options
    const { wanted } = options
    if (!wanted || wanted === 'keychain' || wanted === 'file') return
    throw new ImgctlError(
      'USAGE',
      `IMGCTL_CREDENTIAL_STORE is ${JSON.stringify(wanted)}: it can be keychain or file`,
    )
  }

  /** The store that a profile's credential is in, or would be; undefined when nobody is logged in with it. */
  async storeOf(account: Account): Promise<CredentialStore | undefined> {
    const { profiles, wanted } = this.#options
    const profile = (await profiles.read()).profiles.get(account.profile)
    const place = wanted || profile?.credential
    return place === 'keychain' || place === 'file' ? this.#open(place) : undefined
  }

  /** Where a new credential would go: asked of the keychain itself. */
  async usual(): Promise<{ readonly place: CredentialPlace; readonly problem?: ImgctlError }> {
    const { wanted } = this.#options
    if (wanted === 'file') return { place: 'file' }
    try {
      await (await this.#open('keychain')).read(NOBODY)
      return { place: 'keychain' }
    } catch (error) {
      if (!isCode(error, 'CREDENTIALS_UNAVAILABLE')) throw error
      return { place: wanted ? 'keychain' : 'file', problem: error }
    }
  }

  /** Where a credential of this account was put: the keychain, unless it cannot be used or is not wanted. */
  async write(account: Account, credential: Credential): Promise<CredentialPlace> {
    const place = await this.#write(account, credential)
    if (place === 'keychain') await this.#options.file.remove(account).catch(() => false)
    return place
  }

  async #write(account: Account, credential: Credential): Promise<CredentialPlace> {
    const { file, wanted, onFallback } = this.#options
    if (wanted !== 'file') {
      try {
        await (await this.#open('keychain')).write(account, credential)
        return 'keychain'
      } catch (error) {
        if (wanted === 'keychain' || !isCode(error, 'CREDENTIALS_UNAVAILABLE')) throw error
        await file.write(account, credential)
        onFallback(file.scope.replace(/^file:/, ''), error)
        return 'file'
      }
    }
    await file.write(account, credential)
    return 'file'
  }

  /** Removes it wherever it may be. @returns what was removed; undefined when there was nothing */
  async remove(account: Account): Promise<Credential | undefined> {
    const { file, wanted, profiles } = this.#options
    const place = wanted || (await profiles.read()).profiles.get(account.profile)?.credential
    const stores = place === 'keychain' ? [await this.#open('keychain'), file] : [file]
    let removed: Credential | undefined
    for (const store of stores) {
      removed ??= await store.read(account)
      await store.remove(account)
    }
    return removed
  }

  #open(place: CredentialPlace): CredentialStore | Promise<CredentialStore> {
    return place === 'file' ? this.#options.file : this.#options.keychain()
  }
}
