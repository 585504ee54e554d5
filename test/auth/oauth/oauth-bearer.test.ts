import { expect, test } from 'vitest'
import { isUsable, OAuthBearer } from '../../../src/auth/oauth/oauth-bearer.ts'
import { TokenCache, withLoginLock } from '../../../src/auth/token-cache.ts'
import { ImgctlError } from '../../../src/errors/error.ts'
import type {
  AccessToken,
  Credential,
  CredentialStore,
  OAuthCredential,
} from '../../../src/ports/credentials.ts'
import { temporaryFolder } from '../../config/temporary-folder.ts'

const ACCOUNT = { profile: 'work', server: 'https://images.example' }
const HOUR = 3_600_000

function credential(refreshToken: string | undefined): OAuthCredential {
  return { kind: 'oauth', refreshToken, issuer: 'https://issuer.example', clientId: 'imgctl', audience: 'a' }
}

function token(value: string, lifetime = HOUR, age = 0): AccessToken {
  const issuedAt = Date.now() - age
  return { value, issuedAt, expiresAt: issuedAt + lifetime }
}

/** An issuer that rotates: `r1` becomes `r2` and `a2`, and takes nothing else. */
function setUp({ takes = 'r1', stored = credential('r1') as Credential | undefined } = {}) {
  const folder = temporaryFolder()
  let kept = stored
  let readable = () => {}
  let writable = () => {}
  const store: CredentialStore = {
    kind: 'file',
    scope: 'test',
    read: async () => {
      readable()
      return kept
    },
    write: async () => {},
    remove: async () => true,
    assertWritable: async () => writable(),
  }
  const refreshes: string[] = []
  const make = (current?: AccessToken) =>
    new OAuthBearer(
      {
        account: ACCOUNT,
        store,
        cache: new TokenCache(folder, 'test', ACCOUNT),
        exclusively: (action, signal) => withLoginLock(folder, ACCOUNT, action, signal),
        refresh: async ({ refreshToken }) => {
          refreshes.push(refreshToken)
          await new Promise((resolve) => setTimeout(resolve, 20))
          if (refreshToken !== takes) return undefined
          return { credential: credential('r2'), accessToken: token('a2') }
        },
        save: async (renewed) => {
          kept = renewed
        },
        forget: async () => {
          kept = undefined
        },
        hint: 'imgctl login',
      },
      current,
    )
  return {
    make,
    refreshes,
    kept: () => kept,
    put: (next: Credential | undefined) => {
      kept = next
    },
    onRead: (action: () => void) => {
      readable = action
    },
    onWritable: (action: () => void) => {
      writable = action
    },
  }
}

test('a token that is good is used, and nothing is read', async () => {
  const { make, refreshes, onRead } = setUp()
  onRead(() => {
    throw new Error('read')
  })
  expect(await make(token('a1')).token()).toBe('a1')
  expect(refreshes).toEqual([])
})

test.each([
  ['is over', token('a1', HOUR, HOUR + 1)],
  ['is over in a moment', token('a1', HOUR, HOUR - 30_000)],
  ['short-lived, in the last fifth', token('a1', 10_000, 8_500)],
  ['comes from the future', token('a1', HOUR, -2 * HOUR)],
  ['there is none', undefined],
])('a token is renewed when it %s', async (_, current) => {
  const { make, refreshes, kept } = setUp()
  const bearer = make(current)
  expect(await bearer.token()).toBe('a2')
  expect(refreshes).toEqual(['r1'])
  expect(kept()).toEqual(credential('r2'))
  expect(bearer.expiresAt).toBeGreaterThan(Date.now())
})

test('a short-lived token is used while it lasts', () => {
  expect(isUsable(token('a', 10_000, 5_000))).toBe(true)
})

test('20 callers of 4 bearers make one refresh', async () => {
  const { make, refreshes } = setUp()
  const bearers = Array.from({ length: 4 }, () => make())
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => bearers[index % 4]!.token()))
  expect(new Set(tokens)).toEqual(new Set(['a2']))
  expect(refreshes).toEqual(['r1'])
})

test('a token that the server refused is renewed, though its time is not over', async () => {
  const { make, refreshes } = setUp()
  const [first, second] = [make(token('a1')), make(token('a1'))]
  expect(await Promise.all([first.renew('a1'), second.renew('a1')])).toEqual(['a2', 'a2'])
  expect(await first.renew('a1')).toBe('a2')
  expect(refreshes).toEqual(['r1'])
})

test('a refresh token that was used up by another: what it stored is used', async () => {
  const { make, refreshes, put, onRead } = setUp({ takes: 'r9' })
  let reads = 0
  onRead(() => {
    if (++reads === 3) put(credential('r9'))
  })
  expect(await make().token()).toBe('a2')
  expect(refreshes).toEqual(['r1', 'r9'])
})

test('a login that has ended is forgotten, and said with the way back', async () => {
  const { make, kept, refreshes } = setUp({ takes: 'nothing' })
  await expect(make().token()).rejects.toMatchObject({ code: 'AUTH_REQUIRED', hint: 'imgctl login' })
  expect([kept(), refreshes]).toEqual([undefined, ['r1']])
})

test.each([[undefined], [credential(undefined)], [{ kind: 'api-key', apiKey: 'k' } as const]])(
  'with %j stored there is nothing to renew with',
  async (stored) => {
    const { make, refreshes, put } = setUp()
    put(stored)
    await expect(make().token()).rejects.toMatchObject({ code: 'AUTH_REQUIRED' })
    expect(refreshes).toEqual([])
  },
)

test('a refresh token is not used up when its successor could not be stored', async () => {
  const { make, refreshes, kept, onWritable } = setUp()
  onWritable(() => {
    throw new ImgctlError('FILE_UNREADABLE', 'read-only')
  })
  await expect(make().token()).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  expect([refreshes, kept()]).toEqual([[], credential('r1')])
})
