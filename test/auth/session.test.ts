import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FileCredentialStore } from '../../src/auth/file-credentials.ts'
import { resolveLogin, resolveSession, type SessionInput } from '../../src/auth/session.ts'
import { ProfileStore } from '../../src/config/profiles.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

const WORK = 'https://images.example'
const OTHER = 'https://other.example'

async function setUp() {
  const folder = temporaryFolder()
  const profiles = new ProfileStore(folder)
  await profiles.save('other', { server: OTHER })
  await profiles.save('work', { server: WORK })
  const store = new FileCredentialStore(folder)
  await store.write('other', 'other-key')
  await store.write('work', 'work-key')
  return { folder, profiles, store }
}

async function resolve(flags: SessionInput['flags'], environment: Record<string, string>) {
  const { profiles, store } = await setUp()
  return resolveSession({ flags, environment }, await profiles.read(), store)
}

test.each<[SessionInput['flags'], Record<string, string>, string, string, string]>([
  [{}, {}, WORK, 'work-key', 'file'],
  [{ profile: 'other' }, {}, OTHER, 'other-key', 'file'],
  [{}, { IMGCTL_PROFILE: 'other' }, OTHER, 'other-key', 'file'],
  [{ profile: 'work' }, { IMGCTL_PROFILE: 'other' }, WORK, 'work-key', 'file'],
  [{ server: OTHER }, {}, OTHER, 'other-key', 'file'],
  [{ server: `${OTHER}/api/` }, {}, OTHER, 'other-key', 'file'],
  [{}, { IMGCTL_SERVER: OTHER }, OTHER, 'other-key', 'file'],
  [{ server: WORK }, { IMGCTL_SERVER: OTHER }, WORK, 'work-key', 'file'],
  [{}, { IMGCTL_API_KEY: 'env-key' }, WORK, 'env-key', 'environment'],
  [
    {},
    { IMGCTL_API_KEY: 'env-key', IMGCTL_SERVER: 'https://ci.example' },
    'https://ci.example',
    'env-key',
    'environment',
  ],
])('%o and %o', async (flags, environment, server, apiKey, origin) => {
  expect(await resolve(flags, environment)).toMatchObject({ server, apiKey, origin })
})

test('a key is never sent to a server that it was not made for', async () => {
  const error = { code: 'AUTH_REQUIRED', hint: expect.stringContaining('https://evil.example') }
  await expect(resolve({ server: 'https://evil.example' }, {})).rejects.toMatchObject(error)
  await expect(resolve({ server: 'https://evil.example', profile: 'work' }, {})).rejects.toMatchObject(error)
  await expect(resolve({}, { IMGCTL_SERVER: 'http://images.example' })).rejects.toMatchObject({
    code: 'AUTH_REQUIRED',
  })
})

test('an unknown profile is told, not replaced', async () => {
  await expect(resolve({ profile: 'nope' }, {})).rejects.toMatchObject({ code: 'PROFILE_NOT_FOUND' })
})

test('the environment is enough alone: no file is read', async () => {
  const { folder, profiles } = await setUp()
  const config = await profiles.read()
  writeFileSync(join(folder, 'credentials.json'), 'broken')
  const session = resolveSession(
    { flags: {}, environment: { IMGCTL_API_KEY: 'k' } },
    config,
    new FileCredentialStore(folder),
  )
  expect(await session).toMatchObject({ apiKey: 'k' })
})

test('without anything it is the local server, and nobody is logged in', async () => {
  const folder = temporaryFolder()
  const config = await new ProfileStore(folder).read()
  const session = resolveSession({ flags: {}, environment: {} }, config, new FileCredentialStore(folder))
  await expect(session).rejects.toMatchObject({
    code: 'AUTH_REQUIRED',
    message: expect.stringContaining('http://127.0.0.1:7700'),
    hint: expect.stringContaining('imgctl login'),
  })
})

test.each<[SessionInput['flags'], Record<string, string>, string, string]>([
  [{}, {}, WORK, 'work'],
  [{ profile: 'new' }, {}, 'http://127.0.0.1:7700', 'new'],
  [{ profile: 'new', server: OTHER }, {}, OTHER, 'new'],
  [{ server: 'https://third.example' }, {}, 'https://third.example', 'third.example'],
  [{}, { IMGCTL_SERVER: OTHER }, OTHER, 'other'],
])('a login with %o and %o goes to %s as %s', async (flags, environment, server, profile) => {
  const { profiles } = await setUp()
  expect(resolveLogin({ flags, environment }, await profiles.read())).toEqual({ server, profile })
})

test('credentials: 0600, others kept, removal is for good', async () => {
  const { store } = await setUp()
  expect(statSync(store.file).mode & 0o777).toBe(0o600)
  await store.remove('work')
  await store.remove('never-there')
  expect([await store.read('work'), await store.read('other')]).toEqual([undefined, 'other-key'])
})

test('a broken credentials file is named and not quoted', async () => {
  const { store } = await setUp()
  writeFileSync(store.file, 'img_secret')
  await expect(store.read('work')).rejects.toMatchObject({
    code: 'FILE_UNREADABLE',
    message: expect.not.stringContaining('img_secret'),
  })
})
