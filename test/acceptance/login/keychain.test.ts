import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import { jsonError, serve, type TestServer } from '../program.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { type Keyring, startKeyring } from './keyring.ts'
import { newUser, type TestUser } from './user.ts'

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

type Env = Readonly<Record<string, string>>

const loginWithKey = (user: TestUser, env: Env, args: string[] = []) =>
  user.run(['login', '--server', server.url, '--api-key-stdin', ...args], env, server.apiKey)

function filesWith(user: TestUser, secret: string): string[] {
  return user
    .files()
    .filter(({ text }) => text.includes(secret))
    .map(({ path }) => path)
}

/** Refresh tokens that the issuer gave out: access tokens may be in the cache. */
const refreshToken = (text: string) => /"refreshToken":"([^"]+)"/.exec(text)?.[1] ?? ''

describeWith(['keyring'], 'a real keyring', () => {
  let keyring: Keyring
  beforeAll(async () => {
    keyring = await startKeyring()
  })
  afterAll(() => keyring.stop())

  test('has the API key, and no file has it', async () => {
    const user = newUser()
    const { code, stderr } = await loginWithKey(user, keyring.env)
    expect([code, stderr]).toEqual([0, expect.stringContaining('kept in the keychain')])
    expect(stderr).not.toContain('warning')
    const found = await keyring.search()
    expect(found).toContain(`secret = ${server.apiKey}`)
    expect(found).toContain('attribute.service = imgctl')
    expect(found).toContain(`attribute.username = local@${server.url}`)
    expect(filesWith(user, server.apiKey)).toEqual([])
    const who = await user.run(['whoami', '--format', '{{.CredentialStore}} {{.Method}}'], keyring.env)
    expect(who.stdout).toBe('keychain api-key\n')
    const { stdout } = await user.run(['doctor', '--format', 'json'], keyring.env)
    expect(stdout).toContain('logins are kept in the keychain')
    expect((await user.run(['logout'], keyring.env)).code).toBe(0)
    expect(await keyring.search()).not.toContain(server.apiKey)
  })

  test('has the refresh token, renewed in place; no file has it', async () => {
    const user = newUser()
    expect((await user.login(server.url, [], keyring.env)).code).toBe(0)
    const first = refreshToken(await keyring.search())
    expect(first).not.toBe('')
    for (const { path } of user.files().filter(({ path }) => path.includes('/tokens/'))) {
      await rm(path)
    }
    const who = await user.run(['whoami', '--format', '{{.CredentialStore}} {{.Method}}'], keyring.env)
    expect([who.stderr, who.stdout]).toEqual(['', 'keychain oauth\n'])
    const second = refreshToken(await keyring.search())
    expect([second === '', second === first]).toEqual([false, false])
    expect([filesWith(user, first), filesWith(user, second)]).toEqual([[], []])
    expect((await user.run(['logout', '--all'], keyring.env)).code).toBe(0)
    expect(await keyring.search()).toBe('')
  })

  test('20 processes with an expired token: one refresh, 20 successes', async () => {
    const user = newUser()
    onTestFinished(async () => void (await user.run(['logout'], keyring.env)))
    await user.login(server.url, [], keyring.env)
    issuer.grants.length = 0
    for (const { path, text } of user.files().filter(({ path }) => path.includes('/tokens/'))) {
      writeFileSync(path, JSON.stringify({ ...JSON.parse(text), expiresAt: Date.now() - 1 }))
    }
    const runs = Array.from({ length: 20 }, () => user.run(['whoami'], keyring.env))
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(20).fill(0))
    expect(issuer.grants).toEqual(['refresh_token'])
  })

  test('IMGCTL_API_KEY and IMGCTL_CREDENTIAL_STORE=file leave it alone', async () => {
    const user = newUser()
    const env = { ...keyring.env, IMGCTL_CREDENTIAL_STORE: 'file' }
    expect((await loginWithKey(user, env)).stderr).toContain('kept in a file')
    await user.run(['whoami'], { ...keyring.env, IMGCTL_SERVER: server.url, IMGCTL_API_KEY: server.apiKey })
    expect(await keyring.search()).toBe('')
  })

  test('that never answers: the file, said, and the program ends', async () => {
    const user = newUser()
    const { code, stderr } = await keyring.frozen(() => loginWithKey(user, keyring.env))
    expect([code, stderr]).toEqual([0, expect.stringContaining('kept in a file')])
    expect(stderr.match(/warning: the keychain cannot be used: .*; the login is kept in/g)).toHaveLength(1)
    expect((await user.run(['whoami'], keyring.env)).code).toBe(0)
  })

  test('that has the login and never answers: said, and nothing is lost', async () => {
    const user = newUser()
    await loginWithKey(user, keyring.env)
    const result = await keyring.frozen(() => user.run(['whoami', '--format', 'json'], keyring.env))
    expect([result.code, result.stdout]).toEqual([4, ''])
    expect(jsonError(result)).toMatchObject({
      code: 'CREDENTIALS_UNAVAILABLE',
      message: expect.stringContaining('the keychain cannot be used'),
      hint: expect.stringContaining('IMGCTL_API_KEY'),
    })
    const env = { ...keyring.env, IMGCTL_API_KEY: server.apiKey }
    expect((await keyring.frozen(() => user.run(['whoami'], env))).code).toBe(0)
    const logout = await keyring.frozen(() => user.run(['logout'], keyring.env))
    expect(logout.code).toBe(4)
    expect((await user.run(['whoami'], keyring.env)).code).toBe(0)
    await user.run(['logout'], keyring.env)
  })

  test('that never answers, where nothing else is allowed', async () => {
    const user = newUser()
    const env = { ...keyring.env, IMGCTL_CREDENTIAL_STORE: 'keychain' }
    const { code } = await keyring.frozen(() => loginWithKey(user, env, ['--debug']))
    expect([code, filesWith(user, server.apiKey)]).toEqual([4, []])
  })
})

describeWith(['keyring'], 'a locked keyring', () => {
  let keyring: Keyring
  beforeAll(async () => {
    keyring = await startKeyring({ unlocked: false })
  })
  afterAll(() => keyring.stop())

  test('whose question nobody can answer: the file, said', async () => {
    const user = newUser()
    const { code, stderr } = await loginWithKey(user, keyring.env)
    expect([code, stderr]).toEqual([0, expect.stringContaining('warning: the keychain cannot be used')])
    expect(stderr).toContain('kept in a file')
  })

  test('where nothing else is allowed', async () => {
    const user = newUser()
    const env = { ...keyring.env, IMGCTL_CREDENTIAL_STORE: 'keychain' }
    const result = await loginWithKey(user, env)
    expect([result.code, result.stderr]).toEqual([
      4,
      expect.stringContaining('error: the keychain cannot be used'),
    ])
    expect(result.stderr).toMatch(/hint: .*IMGCTL_CREDENTIAL_STORE=file/)
    expect(filesWith(user, server.apiKey)).toEqual([])
  })
})

describe('a keychain that takes the call and never says a word', () => {
  let bus: Server
  let env: Env
  let home: string
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'imgctl-silent-bus-'))
    bus = createServer(() => {})
    await new Promise<void>((resolve) => bus.listen(join(home, 'bus'), resolve))
    env = { IMGCTL_CREDENTIAL_STORE: '', DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(home, 'bus')}` }
  })
  afterAll(() => {
    bus.close()
    rmSync(home, { recursive: true, force: true })
  })

  test('the file, said, and the program ends', async () => {
    const user = newUser()
    const { code, stderr } = await loginWithKey(user, env)
    expect([code, stderr]).toEqual([0, expect.stringContaining('kept in a file')])
    expect(stderr.match(/warning: the keychain cannot be used: it did not answer in 3 s/g)).toHaveLength(1)
  })

  test('where nothing else is allowed: exit 4, and nothing is stored', async () => {
    const user = newUser()
    const result = await loginWithKey(user, { ...env, IMGCTL_CREDENTIAL_STORE: 'keychain' })
    expect([result.code, result.stderr]).toEqual([4, expect.stringContaining('did not answer in 3 s')])
    expect(filesWith(user, server.apiKey)).toEqual([])
  })
})

test('no keychain at all: the file, said once, and not the kernel', async () => {
  const user = newUser()
  const env = { IMGCTL_CREDENTIAL_STORE: '', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent/bus' }
  const { code, stderr } = await loginWithKey(user, env)
  expect([code, stderr]).toEqual([0, expect.stringContaining('kept in a file')])
  expect(stderr.match(/warning: /g)).toHaveLength(1)
  const [file] = user.files().filter(({ path }) => path.endsWith('/credentials.json'))
  expect([file?.mode, file?.text.includes(server.apiKey)]).toEqual([0o600, true])
  const who = await user.run(['whoami', '--format', '{{.CredentialStore}}'], env)
  expect([who.stderr, who.stdout]).toEqual(['', 'file\n'])
})

test('IMGCTL_CREDENTIAL_STORE with another word is a wrong usage', async () => {
  const user = newUser()
  const { code, stderr } = await loginWithKey(user, { IMGCTL_CREDENTIAL_STORE: 'kernel' })
  expect([code, stderr]).toEqual([2, expect.stringContaining('it can be keychain or file')])
})

test.runIf(process.platform === 'linux')('no session bus, and so no keyring: said in words', async () => {
  const user = newUser()
  const env = {
    IMGCTL_CREDENTIAL_STORE: 'keychain',
    DBUS_SESSION_BUS_ADDRESS: '',
    XDG_RUNTIME_DIR: '/nonexistent',
  }
  const result = await loginWithKey(user, env)
  expect([result.code, result.stderr]).toEqual([
    4,
    expect.stringContaining('error: the keychain cannot be used: no D-Bus session runs here'),
  ])
})
