import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Credentials } from '../../src/auth/credentials.ts'
import { FileCredentialStore } from '../../src/auth/file-credentials.ts'
import { type BearerParts, LoginStore } from '../../src/auth/login-store.ts'
import { apiKeyBearer } from '../../src/auth/session.ts'
import { TokenCache } from '../../src/auth/token-cache.ts'
import { ProfileStore } from '../../src/config/profiles.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import type { Credential, CredentialStore, OAuthCredential } from '../../src/ports/credentials.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

const ACCOUNT = { profile: 'work', server: 'https://images.example' }
const HOUR = 3_600_000

const credential = (refreshToken: string): OAuthCredential => ({
  kind: 'oauth',
  refreshToken,
  issuer: 'https://issuer.example',
  clientId: 'imgctl',
  audience: 'a',
})
const login = (refreshToken: string) => ({
  credential: credential(refreshToken),
  accessToken: { value: `access-${refreshToken}`, issuedAt: Date.now(), expiresAt: Date.now() + HOUR },
})

/** Logins over a keychain that can be switched off. */
function setUp() {
  const [folder, cacheFolder] = [join(temporaryFolder(), 'config'), join(temporaryFolder(), 'cache')]
  const profiles = new ProfileStore(folder)
  const file = new FileCredentialStore(folder)
  let kept: Credential | undefined
  const chain = { works: true, reads: 0 }
  const use = <T>(action: () => T) => {
    if (chain.works) return action()
    throw new ImgctlError('CREDENTIALS_UNAVAILABLE', 'locked')
  }
  const keychain: CredentialStore = {
    kind: 'keychain',
    scope: 'keychain',
    read: async () => {
      chain.reads++
      return use(() => kept)
    },
    write: async (_, credential) =>
      use(() => {
        kept = credential
      }),
    remove: async () =>
      use(() => {
        const wasThere = kept !== undefined
        kept = undefined
        return wasThere
      }),
    assertWritable: async () => {},
  }
  const told: string[] = []
  const credentials = new Credentials({
    profiles,
    file,
    keychain: async () => keychain,
    wanted: undefined,
    onFallback: (_, { message }) => told.push(message),
  })
  const given: BearerParts[] = []
  const revoked: (string | undefined)[] = []
  const oauth = async () => ({
    bearer: (parts: BearerParts) => {
      given.push(parts)
      return apiKeyBearer('token')
    },
    revoke: async ({ refreshToken }: OAuthCredential) => {
      revoked.push(refreshToken)
      return true
    },
  })
  const logins = new LoginStore({ profiles, credentials, cacheFolder, oauth })
  const place = async () => (await profiles.read()).profiles.get('work')?.credential
  const cached = (scope: string) => new TokenCache(cacheFolder, scope, ACCOUNT).read()
  const signal = new AbortController().signal
  return { logins, chain, file, given, revoked, told, place, cached, signal, kept: () => kept }
}

test('while the access token is good, the keychain is not asked', async () => {
  const { logins, chain } = setUp()
  await logins.save(ACCOUNT, login('r1'))
  chain.reads = 0
  expect(await logins.find(ACCOUNT)).toMatchObject({ method: 'oauth', origin: 'keychain' })
  expect(chain.reads).toBe(0)
})

test('a renewed login whose keychain is locked meanwhile is kept in the file, and said', async () => {
  const { logins, chain, file, given, told, place } = setUp()
  await logins.save(ACCOUNT, login('r1'))
  await logins.find(ACCOUNT)
  chain.works = false
  await given[0]!.save(credential('r2'))
  expect(await file.read(ACCOUNT)).toEqual(credential('r2'))
  expect([await place(), told]).toEqual(['file', ['locked']])
  expect(await logins.find(ACCOUNT)).toMatchObject({ origin: 'file' })
})

test('a key over a login with tokens leaves no token', async () => {
  const { logins, cached } = setUp()
  await logins.save(ACCOUNT, login('r1'))
  expect(await cached('keychain')).toBeDefined()
  await logins.save(ACCOUNT, { kind: 'api-key', apiKey: 'k' })
  expect(await cached('keychain')).toBeUndefined()
  expect(await logins.find(ACCOUNT)).toMatchObject({ method: 'api-key' })
})

test('a logout removes all, and tells the issuer', async () => {
  const { logins, revoked, cached, place, kept, signal } = setUp()
  await logins.save(ACCOUNT, login('r1'))
  expect(await logins.remove(ACCOUNT, signal)).toEqual({ loggedOut: true, revoked: 'done' })
  expect([revoked, kept(), await cached('keychain'), await place()]).toEqual([
    ['r1'],
    undefined,
    undefined,
    undefined,
  ])
  expect(await logins.remove(ACCOUNT, signal)).toEqual({ loggedOut: false, revoked: 'none' })
})

test('a logout that cannot reach the keychain forgets nothing and tells the issuer nothing', async () => {
  const { logins, chain, revoked, place, signal } = setUp()
  await logins.save(ACCOUNT, login('r1'))
  chain.works = false
  await expect(logins.remove(ACCOUNT, signal)).rejects.toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE' })
  chain.works = true
  expect([revoked, await place()]).toEqual([[], 'keychain'])
  expect(await logins.find(ACCOUNT)).toMatchObject({ method: 'oauth' })
})
