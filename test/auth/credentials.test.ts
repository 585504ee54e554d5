import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { Credentials } from '../../src/auth/credentials.ts'
import { FileCredentialStore } from '../../src/auth/file-credentials.ts'
import { ProfileStore } from '../../src/config/profiles.ts'
import { ImgctlError } from '../../src/errors/error.ts'
import {
  type Account,
  accountName,
  type Credential,
  type CredentialStore,
} from '../../src/ports/credentials.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

const WORK: Account = { profile: 'work', server: 'https://images.example' }
const OTHER: Account = { profile: 'other', server: 'https://images.example' }
const KEY: Credential = { kind: 'api-key', apiKey: 'img_key' }
const LOGIN: Credential = {
  kind: 'oauth',
  refreshToken: 'refresh-secret',
  issuer: 'https://issuer.example',
  clientId: 'imgctl',
  audience: 'https://images.example/api',
}

function fileStore(onBackup?: (file: string, backup: string) => void) {
  return new FileCredentialStore(join(temporaryFolder(), 'imgctl'), onBackup)
}

test.each([KEY, LOGIN])('a credential comes back as it was: %j', async (credential) => {
  const store = fileStore()
  await store.write(WORK, credential)
  expect(await store.read(WORK)).toEqual(credential)
})

test('a file is 0600 in a 0700 folder, whatever the umask; others are kept, a removal is for good', async () => {
  const store = fileStore()
  const umask = process.umask(0o022)
  try {
    await store.write(WORK, KEY)
    await store.write(OTHER, LOGIN)
  } finally {
    process.umask(umask)
  }
  expect(statSync(store.file).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(store.file)).mode & 0o777).toBe(0o700)
  expect([await store.remove(WORK), await store.remove(WORK)]).toEqual([true, false])
  expect([await store.read(WORK), await store.read(OTHER)]).toEqual([undefined, LOGIN])
  expect(readFileSync(store.file, 'utf8')).not.toContain('img_key')
})

test('a credential is of its server: a changed profile does not take it elsewhere', async () => {
  const store = fileStore()
  await store.write(WORK, KEY)
  expect(await store.read({ ...WORK, server: 'https://evil.example' })).toBeUndefined()
})

test('a broken file is named and not quoted; only a login replaces it, and keeps the old one', async () => {
  const kept: string[][] = []
  const store = fileStore((...names) => kept.push(names))
  mkdirSync(dirname(store.file), { recursive: true })
  const error = { code: 'FILE_UNREADABLE', message: expect.not.stringContaining('img_secret') }
  for (const [number, backup] of ['credentials.json.bak', 'credentials.json.bak.2'].entries()) {
    writeFileSync(store.file, `img_secret${number}`)
    await expect(store.read(WORK)).rejects.toMatchObject(error)
    await expect(store.remove(WORK)).rejects.toMatchObject(error)
    expect(readFileSync(store.file, 'utf8')).toBe(`img_secret${number}`)
    await store.write(WORK, KEY)
    expect(await store.read(WORK)).toEqual(KEY)
    const copy = join(dirname(store.file), backup)
    expect(readFileSync(copy, 'utf8')).toBe(`img_secret${number}`)
    expect(statSync(copy).mode & 0o777).toBe(0o600)
    expect(kept[number]).toEqual([store.file, copy])
  }
})

test('20 logins at once: none is lost', async () => {
  const store = fileStore()
  const accounts = Array.from({ length: 20 }, (_, index) => ({ ...WORK, profile: `p${index}` }))
  await Promise.all(accounts.map((account) => store.write(account, KEY)))
  for (const account of accounts) expect(await store.read(account)).toEqual(KEY)
  expect(readdirSync(dirname(store.file)).sort()).toEqual(['.locks', 'credentials.json'])
})

/** A keychain that works, or that fails with a reason. */
function keychain(reason?: string) {
  const secrets = new Map<string, Credential>()
  let asked = 0
  const use = <T>(action: () => T) => {
    asked++
    if (reason === undefined) return action()
    throw new ImgctlError('CREDENTIALS_UNAVAILABLE', reason)
  }
  const store: CredentialStore = {
    kind: 'keychain',
    scope: 'keychain',
    read: async (account) => use(() => secrets.get(accountName(account))),
    write: async (account, credential) => use(() => void secrets.set(accountName(account), credential)),
    remove: async (account) => use(() => secrets.delete(accountName(account))),
    assertWritable: async () => {},
  }
  return { store, secrets, asked: () => asked }
}

function setUp(wanted: string | undefined, reason?: string) {
  const folder = join(temporaryFolder(), 'imgctl')
  const profiles = new ProfileStore(folder)
  const file = new FileCredentialStore(folder)
  const chain = keychain(reason)
  const told: string[] = []
  const credentials = new Credentials({
    profiles,
    file,
    wanted,
    keychain: async () => chain.store,
    onFallback: (_, error) => told.push(error.message),
  })
  const save = async () => {
    const place = await credentials.write(WORK, LOGIN)
    await profiles.save(WORK.profile, { server: WORK.server, credential: place })
    return place
  }
  return { credentials, profiles, file, chain, told, save }
}

test('the keychain comes first, and then no file has the secret', async () => {
  const { credentials, file, save } = setUp(undefined)
  await file.write(WORK, KEY)
  expect(await save()).toBe('keychain')
  expect((await credentials.storeOf(WORK))?.kind).toBe('keychain')
  expect(await file.read(WORK)).toBeUndefined()
})

test('a keychain that cannot be used: the file, said with the reason', async () => {
  const { credentials, file, told, save } = setUp(undefined, 'locked')
  expect(await save()).toBe('file')
  expect(told).toEqual(['locked'])
  expect(await file.read(WORK)).toEqual(LOGIN)
  expect((await credentials.storeOf(WORK))?.kind).toBe('file')
  expect(await credentials.usual()).toMatchObject({ place: 'file', problem: { message: 'locked' } })
})

test('IMGCTL_CREDENTIAL_STORE=keychain: no fallback', async () => {
  const { file, told, save } = setUp('keychain', 'locked')
  await expect(save()).rejects.toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE' })
  expect([told, await file.read(WORK)]).toEqual([[], undefined])
})

test('IMGCTL_CREDENTIAL_STORE=file: the keychain is never asked', async () => {
  const { credentials, chain, save } = setUp('file')
  expect(await save()).toBe('file')
  await credentials.remove(WORK)
  expect([await credentials.usual(), chain.asked()]).toEqual([{ place: 'file' }, 0])
})

test('a profile without a login asks nothing of the keychain', async () => {
  const { credentials, profiles, chain } = setUp(undefined)
  await profiles.save(WORK.profile, { server: WORK.server })
  expect([await credentials.storeOf(WORK), chain.asked()]).toEqual([undefined, 0])
})

test('a removal says what there was, wherever it was', async () => {
  const { credentials, file, chain, save } = setUp(undefined)
  await save()
  await file.write(WORK, KEY)
  expect(await credentials.remove(WORK)).toEqual(LOGIN)
  expect([chain.secrets.size, await file.read(WORK)]).toEqual([0, undefined])
  expect(await credentials.remove(WORK)).toBeUndefined()
})

test('another store is refused', () => {
  expect(() => setUp('kernel')).toThrow(expect.objectContaining({ code: 'USAGE' }))
})
