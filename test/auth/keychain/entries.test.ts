import { expect, test } from 'vitest'
import {
  type Keytar,
  readSecret,
  removeSecret,
  WINDOWS_ENTRY_CHARACTERS,
  writeSecret,
} from '../../../src/auth/keychain/entries.ts'

/** What Windows' Credential Manager takes: 2,560 bytes of UTF-16. */
const WINDOWS_BYTES = 2_560
const ACCOUNT = 'work@https://images.example'

/** A keychain with Windows' limit, that may break at a write. */
function windowsKeychain() {
  const entries = new Map<string, string>()
  let writesLeft = Number.POSITIVE_INFINITY
  const keytar: Keytar = {
    getPassword: async (_, account) => entries.get(account) ?? null,
    setPassword: async (_, account, password) => {
      if (Buffer.byteLength(password, 'utf16le') > WINDOWS_BYTES) throw new Error('too long')
      if (--writesLeft < 0) throw new Error('the power went')
      entries.set(account, password)
    },
    deletePassword: async (_, account) => entries.delete(account),
  }
  return {
    entries,
    keytar,
    breakAfter: (writes: number) => {
      writesLeft = writes
    },
  }
}

const write = (keytar: Keytar, secret: string) =>
  writeSecret(keytar, ACCOUNT, secret, WINDOWS_ENTRY_CHARACTERS)

test.each([
  [1, 1],
  [WINDOWS_ENTRY_CHARACTERS, 1],
  [WINDOWS_ENTRY_CHARACTERS + 1, 3],
  [3_000, 4],
  [20_000, 18],
])('a secret of %d characters is in %d entries and comes back', async (length, count) => {
  const { keytar, entries } = windowsKeychain()
  const secret = Array.from({ length }, (_, index) => 'aé€\n"'[index % 5]).join('')
  await write(keytar, secret)
  expect(entries.size).toBe(count)
  expect(await readSecret(keytar, ACCOUNT)).toBe(secret)
  expect([await removeSecret(keytar, ACCOUNT), await removeSecret(keytar, ACCOUNT)]).toEqual([true, false])
  expect(entries.size).toBe(0)
})

test('a new secret leaves no part of the one before', async () => {
  const { keytar, entries } = windowsKeychain()
  await write(keytar, 'a'.repeat(5_000))
  await write(keytar, 'b'.repeat(3_000))
  expect(entries.size).toBe(4)
  await write(keytar, 'short')
  expect([...entries.values()]).toEqual(['short'])
})

test.each([0, 1, 2, 3])('a write that breaks after %d entries leaves the secret before', async (writes) => {
  const { keytar, breakAfter } = windowsKeychain()
  await write(keytar, 'old'.repeat(1_000))
  breakAfter(writes)
  await expect(write(keytar, 'new'.repeat(1_000))).rejects.toThrow('the power went')
  expect(await readSecret(keytar, ACCOUNT)).toBe('old'.repeat(1_000))
})

test('a secret with a part missing is none', async () => {
  const { keytar, entries } = windowsKeychain()
  await write(keytar, 'a'.repeat(3_000))
  entries.delete([...entries.keys()].find((name) => name.includes('.2'))!)
  expect(await readSecret(keytar, ACCOUNT)).toBeUndefined()
})

test('a secret that looks like a pointer to parts is kept as it is', async () => {
  const { keytar } = windowsKeychain()
  const secret = `imgctl-parts:2:${'0'.repeat(16)}:${'0'.repeat(64)}`
  await write(keytar, secret)
  expect(await readSecret(keytar, ACCOUNT)).toBe(secret)
})
