import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { serve, type TestServer } from '../program.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { canMount, inReadOnlyHome } from './read-only.ts'
import { newUser, type TestUser, until } from './user.ts'

let issuer: TestIssuer
let server: TestServer
beforeAll(async () => {
  issuer = await startIssuer()
  server = await serve(issuerArguments(issuer))
})
afterAll(async () => {
  await server.stop()
  await issuer.stop()
})
beforeEach(() => {
  issuer.delayMs = 0
  issuer.rotates = true
  issuer.tokenAnswers.length = 0
})

/** A person who has been logged in for some time. */
async function loggedIn(): Promise<TestUser> {
  const user = newUser()
  expect((await user.login(server.url)).code).toBe(0)
  issuer.grants.length = 0
  return user
}

const tokenFolder = (user: TestUser) => join(user.home, '.cache/imgctl/tokens')

/** Changes the access token that is kept. */
function changeToken(user: TestUser, changes: object): void {
  const [name] = readdirSync(tokenFolder(user))
  const file = join(tokenFolder(user), name!)
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }))
}

const expire = (user: TestUser) => changeToken(user, { expiresAt: Date.now() - 1 })

test('a token that is good is not renewed', async () => {
  const user = await loggedIn()
  for (let run = 0; run < 3; run++) expect((await user.run(['whoami'])).code).toBe(0)
  expect(issuer.grants).toEqual([])
})

test('20 processes with an expired token: one refresh, 20 successes', async () => {
  const user = await loggedIn()
  expire(user)
  issuer.delayMs = 300
  const runs = Array.from({ length: 20 }, () => user.run(['whoami', '--format', '{{.Method}}']))
  const results = await Promise.all(runs)
  expect(results.filter(({ code, stdout }) => code === 0 && stdout === 'oauth\n')).toHaveLength(20)
  expect(issuer.grants).toEqual(['refresh_token'])
})

test('20 processes with a token that the server does not take: one refresh, 20 successes', async () => {
  const user = await loggedIn()
  changeToken(user, { value: 'garbage' })
  const results = await Promise.all(Array.from({ length: 20 }, () => user.run(['whoami'])))
  expect(results.map(({ code }) => code)).toEqual(Array(20).fill(0))
  expect(issuer.grants).toEqual(['refresh_token'])
})

test('each refresh token is used once, and the last one is kept', async () => {
  const user = await loggedIn()
  for (let run = 0; run < 4; run++) {
    expire(user)
    expect((await user.run(['whoami'])).code).toBe(0)
  }
  expect(issuer.grants).toEqual(Array(4).fill('refresh_token'))
})

test('a cache that is gone or broken costs a refresh and nothing else', async () => {
  const user = await loggedIn()
  const [name] = readdirSync(tokenFolder(user))
  writeFileSync(join(tokenFolder(user), name!), '{"value":')
  expect((await user.run(['whoami'])).code).toBe(0)
  expect(issuer.grants).toEqual(['refresh_token'])
})

test('a login that the issuer ended: said once with the way back, and forgotten', async () => {
  const user = await loggedIn()
  expire(user)
  issuer.tokenAnswers.push('invalid_grant')
  const result = await user.run(['whoami', '--format', 'json'])
  expect(result.code).toBe(4)
  expect(result.stderr).toContain('"code":"AUTH_REQUIRED"')
  expect(result.stderr).toContain(`imgctl login --server ${server.url}`)
  expect((await user.run(['profile', 'list'])).stdout).toBe(`local\t${server.url}\ttrue\tfalse\n`)
  expect(user.files().some(({ text }) => text.includes('refreshToken'))).toBe(false)
})

test('an issuer that fails for a moment ends no login', async () => {
  const user = await loggedIn()
  expire(user)
  issuer.tokenAnswers.push('temporarily_unavailable')
  expect((await user.run(['whoami'])).code).toBe(4)
  expect((await user.run(['whoami'])).code).toBe(0)
})

test('a process that is killed while it refreshes holds nobody up', async () => {
  const user = await loggedIn()
  expire(user)
  // As an issuer does that allows for an answer that was lost.
  issuer.rotates = false
  issuer.delayMs = 5_000
  const victim = user.start(['whoami'])
  await until(() => issuer.grants.length === 1)
  victim.child.kill('SIGKILL')
  await victim.ended
  issuer.delayMs = 0
  expect((await user.run(['whoami'])).code).toBe(0)
  expect(issuer.grants).toEqual(['refresh_token', 'refresh_token'])
})

test('a refresh that Ctrl-C comes into is ended and kept: the issuer has used up the old token', async () => {
  const user = await loggedIn()
  expire(user)
  issuer.delayMs = 100
  const started = user.start(['whoami'])
  await until(() => issuer.grants.length === 1)
  started.child.kill('SIGINT')
  expect((await started.ended).code).toBe(130)
  issuer.delayMs = 0
  expect((await user.run(['whoami'])).code).toBe(0)
  expect(issuer.grants).toEqual(['refresh_token'])
})

test.runIf(canMount)('in a read-only home a refresh token is not used up', async () => {
  const user = await loggedIn()
  expect(await inReadOnlyHome(user, ['whoami'])).toMatchObject({ code: 0 })
  expire(user)
  const { code, stderr } = await inReadOnlyHome(user, ['whoami'])
  expect([code, stderr]).toEqual([1, expect.stringContaining('credentials.json cannot be written')])
  expect(issuer.grants).toEqual([])
  expect((await user.run(['whoami'])).code).toBe(0)
})

test('logout ends the login here and at the issuer', async () => {
  const user = await loggedIn()
  issuer.revocations.length = 0
  const { code, stderr } = await user.run(['logout'])
  expect([code, stderr]).toEqual([0, '✓ Successfully logged out (local)\n'])
  expect(issuer.revocations).toHaveLength(1)
  expect(readdirSync(tokenFolder(user))).toEqual([])
  for (const secret of issuer.secrets) {
    expect(user.files().filter(({ text }) => text.includes(secret))).toEqual([])
  }
  expect((await user.run(['whoami'])).code).toBe(4)
})

test('logout without the issuer: it is forgotten, and what that leaves is said', async () => {
  const other = await startIssuer()
  const lonely = await serve(issuerArguments(other))
  const user = newUser()
  expect((await user.login(lonely.url)).code).toBe(0)
  await other.stop()
  await lonely.stop()
  const { code, stderr } = await user.run(['logout', '--all'])
  expect(code).toBe(0)
  expect(stderr).toContain('✓ Successfully logged out (local)')
  expect(stderr).toContain('warning: the issuer was not told')
  expect(readdirSync(tokenFolder(user))).toEqual([])
})
