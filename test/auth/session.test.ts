import { expect, test } from 'vitest'
import {
  apiKeyBearer,
  resolveLogin,
  resolveSession,
  type SessionInput,
  type StoredLogin,
} from '../../src/auth/session.ts'
import { ProfileStore } from '../../src/config/profiles.ts'
import { type Account, accountName } from '../../src/ports/credentials.ts'
import { temporaryFolder } from '../config/temporary-folder.ts'

const WORK = 'https://images.example'
const OTHER = 'https://other.example'

const KEYS = new Map([
  [`other@${OTHER}`, 'other-key'],
  [`work@${WORK}`, 'work-key'],
])

async function setUp() {
  const profiles = new ProfileStore(temporaryFolder())
  await profiles.save('other', { server: OTHER })
  await profiles.save('work', { server: WORK, organization: 'team' })
  return profiles
}

/** What is stored: it is asked for by profile and server. */
async function login(account: Account): Promise<StoredLogin | undefined> {
  const key = KEYS.get(accountName(account))
  return key === undefined ? undefined : { method: 'api-key', origin: 'file', bearer: apiKeyBearer(key) }
}

async function resolve(flags: SessionInput['flags'], environment: Record<string, string>) {
  const profiles = await setUp()
  const session = await resolveSession({ flags, environment }, { config: await profiles.read(), login })
  return { ...session, apiKey: await session.bearer.token() }
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

test('the environment is enough alone: no store is asked', async () => {
  const profiles = await setUp()
  const session = resolveSession(
    { flags: {}, environment: { IMGCTL_API_KEY: 'k' } },
    { config: await profiles.read(), login: () => Promise.reject(new Error('asked')) },
  )
  expect(await session).toMatchObject({ origin: 'environment', profile: undefined })
})

test('without anything it is the local server, and nobody is logged in', async () => {
  const config = await new ProfileStore(temporaryFolder()).read()
  const session = resolveSession({ flags: {}, environment: {} }, { config, login })
  await expect(session).rejects.toMatchObject({
    code: 'AUTH_REQUIRED',
    message: expect.stringContaining('http://127.0.0.1:7700'),
    hint: expect.stringContaining('imgctl login'),
  })
})

test.each<[SessionInput['flags'], Record<string, string>, string | undefined]>([
  [{}, {}, 'team'],
  [{}, { IMGCTL_ORGANIZATION: 'env' }, 'env'],
  [{ organization: 'flag' }, { IMGCTL_ORGANIZATION: 'env' }, 'flag'],
  [{ profile: 'other' }, {}, undefined],
  [{}, { IMGCTL_API_KEY: 'k' }, undefined],
  [{}, { IMGCTL_API_KEY: 'k', IMGCTL_ORGANIZATION: 'env' }, 'env'],
])('%o and %o ask for the organization %s', async (flags, environment, organization) => {
  expect((await resolve(flags, environment)).organization).toBe(organization)
})

test.each<[SessionInput['flags'], Record<string, string>, string, string]>([
  [{}, {}, WORK, 'work'],
  [{ profile: 'new' }, {}, 'http://127.0.0.1:7700', 'new'],
  [{ profile: 'new', server: OTHER }, {}, OTHER, 'new'],
  [{ server: 'https://third.example' }, {}, 'https://third.example', 'third.example'],
  [{}, { IMGCTL_SERVER: OTHER }, OTHER, 'other'],
])('a login with %o and %o goes to %s as %s', async (flags, environment, server, profile) => {
  const profiles = await setUp()
  expect(resolveLogin({ flags, environment }, await profiles.read())).toEqual({ server, profile })
})
