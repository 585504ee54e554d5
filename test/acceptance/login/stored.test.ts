import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { imgctl, serve, type TestServer } from '../program.ts'
import { canMount, inReadOnlyHome } from './read-only.ts'
import { newUser, type TestUser } from './user.ts'

let server: TestServer
beforeAll(async () => {
  server = await serve()
})
afterAll(() => server.stop())

const login = (user: TestUser, args: string[] = [], env: Record<string, string> = {}) =>
  user.run(['login', '--server', server.url, '--api-key-stdin', ...args], env, server.apiKey)
const configFolder = (user: TestUser) => join(user.home, '.config/imgctl')

test.each(['config.json', 'credentials.json'])('a broken %s', async (name) => {
  const user = newUser()
  expect((await login(user)).code).toBe(0)
  const file = join(configFolder(user), name)
  const broken = `{"img_secret`
  writeFileSync(file, broken)

  const before = await user.run(['whoami', '--format', 'json'])
  expect(before.code).toBe(1)
  expect(before.stderr).toContain('"code":"FILE_UNREADABLE"')
  expect(before.stderr).toContain(file)
  expect(before.stderr).not.toContain('img_secret')
  expect(readFileSync(file, 'utf8')).toBe(broken)

  const again = await login(user)
  expect([again.code, again.stderr]).toEqual([
    0,
    expect.stringContaining(`warning: ${file} could not be read; it is kept as ${file}.bak`),
  ])
  expect(readFileSync(`${file}.bak`, 'utf8')).toBe(broken)
  expect(statSync(`${file}.bak`).mode & 0o777).toBe(0o600)
  expect((await user.run(['whoami'])).code).toBe(0)
})

test('10 logins at once: every profile and every key is there', async () => {
  const user = newUser()
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`)
  const codes = await Promise.all(names.map(async (name) => (await login(user, ['--profile', name])).code))
  expect(codes).toEqual(Array(10).fill(0))
  for (const name of names) expect((await user.run(['whoami', '--profile', name])).code).toBe(0)
})

test('the umask does not open the files', async () => {
  const user = newUser()
  const umask = process.umask(0)
  try {
    expect((await login(user)).code).toBe(0)
  } finally {
    process.umask(umask)
  }
  expect(statSync(configFolder(user)).mode & 0o777).toBe(0o700)
  for (const { path, mode } of user.files()) expect([path, mode]).toEqual([path, 0o600])
})

test.runIf(canMount)('a home that became read-only: the login works, a new one says why not', async () => {
  const user = newUser()
  expect((await login(user)).code).toBe(0)
  const files = user.files()
  expect(await inReadOnlyHome(user, ['whoami'])).toMatchObject({ code: 0 })
  for (const args of [
    ['login', '--server', server.url, '--api-key-stdin'],
    ['logout'],
    ['profile', 'use', 'local'],
  ]) {
    const { code, stderr } = await inReadOnlyHome(user, args, {}, server.apiKey)
    expect([args, code, stderr]).toEqual([
      args,
      1,
      expect.stringMatching(/cannot be written: .*read-only\nhint: .*IMGCTL_CONFIG_DIR/),
    ])
  }
  expect(user.files()).toEqual(files)
})

test.runIf(canMount)('a read-only home in which nobody logged in', async () => {
  const user = newUser()
  const args = ['login', '--server', server.url, '--api-key-stdin']
  const { code, stderr } = await inReadOnlyHome(user, args, {}, server.apiKey)
  expect([code, stderr]).toEqual([1, expect.stringContaining('credentials.json cannot be written')])
  const env = { IMGCTL_SERVER: server.url, IMGCTL_API_KEY: server.apiKey }
  expect(await inReadOnlyHome(user, ['whoami'], env)).toMatchObject({ code: 0 })
})

test('a folder that is a file', async () => {
  const user = newUser()
  writeFileSync(join(user.home, 'file'), '')
  const { code, stderr } = await login(user, [], { IMGCTL_CONFIG_DIR: join(user.home, 'file') })
  expect([code, stderr]).toEqual([1, expect.stringContaining('cannot be written: its folder cannot be used')])
})

test('IMGCTL_API_KEY stores nothing, asks nothing, and goes first', async () => {
  const user = newUser()
  mkdirSync(configFolder(user), { recursive: true })
  writeFileSync(join(configFolder(user), 'credentials.json'), 'broken')
  const env = {
    IMGCTL_SERVER: server.url,
    IMGCTL_API_KEY: server.apiKey,
    IMGCTL_CREDENTIAL_STORE: 'keychain',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
  }
  const { code, stdout } = await user.run(['whoami', '--format', '{{.CredentialStore}}'], env)
  expect([code, stdout]).toEqual([0, 'environment\n'])
  expect(readdirSync(configFolder(user))).toEqual(['credentials.json'])
})

test('nothing of the shell or of the project is touched or read', async () => {
  const user = newUser()
  const project = join(user.home, 'project')
  mkdirSync(project)
  writeFileSync(join(project, '.env'), 'IMGCTL_SERVER=http://127.0.0.1:9\nIMGCTL_API_KEY=img_evil\n')
  const shells = ['.bashrc', '.zshrc', '.profile']
  for (const name of shells) writeFileSync(join(user.home, name), 'mine\n')
  const env = { ...user.env }
  const result = await imgctl(['login', '--server', server.url, '--api-key-stdin'], {
    env,
    cwd: project,
    input: server.apiKey,
  })
  expect(result.code).toBe(0)
  expect((await imgctl(['whoami'], { env, cwd: project })).code).toBe(0)
  for (const name of shells) expect(readFileSync(join(user.home, name), 'utf8')).toBe('mine\n')
  expect(readdirSync(user.home).sort()).toEqual([
    '.bashrc',
    '.cache',
    '.config',
    '.profile',
    '.zshrc',
    'project',
    'tmp',
  ])
})

test('a wrong key is not stored; the server that is asked is the one that was said', async () => {
  const user = newUser()
  const wrong = await user.run(
    ['login', '--server', server.url, '--api-key-stdin'],
    { IMGCTL_SERVER: 'http://127.0.0.1:9' },
    `img_${'x'.repeat(43)}`,
  )
  expect([wrong.code, existsSync(configFolder(user))]).toEqual([4, false])
  expect((await login(user, [], { IMGCTL_SERVER: 'http://127.0.0.1:9' })).code).toBe(0)
})

test('a credential file that others may read is told by doctor', async () => {
  const user = newUser()
  await login(user)
  chmodSync(join(configFolder(user), 'credentials.json'), 0o644)
  const { stdout } = await user.run(['doctor'])
  expect(stdout).toContain('fix: chmod 0600')
})
