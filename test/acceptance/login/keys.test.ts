import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { jsonError, serve, type TestServer } from '../program.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { newUser, type TestUser } from './user.ts'

let issuer: TestIssuer
let server: TestServer
let user: TestUser
beforeAll(async () => {
  issuer = await startIssuer()
  server = await serve(issuerArguments(issuer))
})
afterAll(async () => {
  await server.stop()
  await issuer.stop()
})
beforeEach(async () => {
  user = newUser()
  await user.login(server.url)
  for (const name of (await user.run(['key', 'list', '-q'])).stdout.split('\n').filter(Boolean)) {
    await user.run(['key', 'revoke', name])
  }
})

const create = (...args: string[]) => user.run(['key', 'create', 'ci', ...args])

test('a key: shown once and alone, good at once, ended at once', async () => {
  const { code, stdout, stderr } = await create(
    '--permission',
    'read:images,write:images',
    '--expires',
    '90d',
  )
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^img_[\w-]{43}\n$/)])
  expect(stderr).toMatch(/✓ Key ci may read:images, write:images, until \d{4}-/)
  expect(stderr).not.toContain(stdout.trim())
  const env = { IMGCTL_SERVER: server.url, IMGCTL_API_KEY: stdout.trim() }
  const who = JSON.parse((await user.run(['whoami', '--format', 'json'], env)).stdout)
  expect(who).toMatchObject({
    keyName: 'ci',
    method: 'api-key',
    permissions: ['read:images', 'write:images'],
  })
  const days = (Date.parse(who.expiresAt) - Date.now()) / 86_400_000
  expect(Math.round(days)).toBe(90)

  const list = await user.run(['key', 'list', '--format', 'json'])
  expect(JSON.parse(list.stdout)).toMatchObject([{ name: 'ci', expiresAt: who.expiresAt }])
  expect(list.stdout).not.toContain(stdout.trim())
  expect((await user.run(['key', 'revoke', 'ci'])).code).toBe(0)
  expect((await user.run(['whoami'], env)).code).toBe(4)
})

test('for programs: JSON, a template, quiet', async () => {
  const json = await create('--permission', 'read:images', '--format', 'json')
  expect(JSON.parse(json.stdout)).toMatchObject({ name: 'ci', expiresAt: null })
  await user.run(['key', 'revoke', 'ci'])
  const quiet = await create('--permission', 'read:images', '--quiet')
  expect([quiet.stdout, quiet.stderr]).toEqual([expect.stringMatching(/^img_\S+\n$/), ''])
  expect((await user.run(['key', 'list', '-q'])).stdout).toBe('ci\n')
})

test.each<[string[], number, string]>([
  [[], 2, 'USAGE'],
  [['--permission', 'fly'], 2, 'USAGE'],
  [['--permission', 'admin', '--expires', '90'], 2, 'USAGE'],
  [['--permission', 'admin', '--expires', '2020-01-01'], 2, 'USAGE'],
  [['--permission', 'admin', '--expires', '2026-13-45'], 2, 'USAGE'],
])('a key with %j is refused: exit %d', async (args, exit, code) => {
  const result = await create(...args, '--format', 'json')
  expect([result.code, result.stdout, jsonError(result).code]).toEqual([exit, '', code])
  expect((await user.run(['key', 'list', '-q'])).stdout).toBe('')
})

test('a time that has passed is named as it was typed', async () => {
  const result = await create('--permission', 'admin', '--expires', '2020-01-01', '--format', 'json')
  expect(jsonError(result)).toMatchObject({
    message: '--expires: 2020-01-01T00:00:00.000Z has passed',
    hint: expect.stringContaining('--expires 90d'),
  })
})

test('a name that is in use, and one that is not', async () => {
  await create('--permission', 'read:images')
  expect((await create('--permission', 'read:images')).code).toBe(7)
  expect((await user.run(['key', 'revoke', 'none'])).code).toBe(3)
})

test('a key can make none that may do more', async () => {
  const { stdout } = await create('--permission', 'read:images')
  const env = { IMGCTL_SERVER: server.url, IMGCTL_API_KEY: stdout.trim() }
  const more = await user.run(['key', 'create', 'more', '--permission', 'admin'], env)
  expect([more.code, more.stdout]).toEqual([4, ''])
})

test('organizations: listed, chosen for a profile, a command or a script', async () => {
  const list = JSON.parse((await user.run(['organization', 'list', '--format', 'json'])).stdout)
  expect(list).toMatchObject([{ slug: 'default', active: true }])
  const used = await user.run(['organization', 'use', list[0].id])
  expect([used.code, used.stderr]).toEqual([0, '✓ Profile local now uses the organization default\n'])
  expect(JSON.parse((await user.run(['profile', 'list', '--format', 'json'])).stdout)).toMatchObject([
    { name: 'local', organization: 'default', loggedIn: true, credentialStore: 'file' },
  ])
  expect((await user.run(['whoami'])).code).toBe(0)
  for (const [args, env] of [
    [['--organization', 'other', 'whoami'], {}],
    [['whoami'], { IMGCTL_ORGANIZATION: 'other' }],
  ] as const) {
    const result = await user.run(args, env)
    expect([result.code, result.stderr]).toEqual([3, expect.stringContaining('no organization "other"')])
  }
  const unknown = await user.run(['organization', 'use', 'other'])
  expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining('hint: yours: default')])
  const env = { IMGCTL_SERVER: server.url, IMGCTL_API_KEY: server.apiKey }
  expect((await user.run(['organization', 'use', 'default'], env)).code).toBe(2)
})
