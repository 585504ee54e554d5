import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { TREE } from '../../src/commands/tree.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

const ROOT = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const ARROW_DOWN = '\x1b[B'

let server: TestServer
let home: string
/** A user with nothing set up. */
let nobody: { HOME: string; IMGCTL_CONFIG_DIR: string }
beforeAll(async () => {
  server = await serve()
})
afterAll(() => server.stop())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'imgctl-home-'))
  nobody = { HOME: home, IMGCTL_CONFIG_DIR: join(home, 'config') }
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
})

describe('what needs no server', () => {
  test.each(['--version', '-V'])('%s', async (flag) => {
    expect(await imgctl([flag])).toEqual({ code: 0, stdout: `imgctl ${version}\n`, stderr: '' })
  })

  test.each([[['--help']], [['-h']], [[]]])('%j is the same as the whole program says', async (args) => {
    const quick = await imgctl(args)
    const whole = execFileSync(process.execPath, [join(ROOT, 'dist/main.js'), '--help'], { encoding: 'utf8' })
    expect(quick).toEqual({ code: 0, stdout: whole, stderr: '' })
  })

  test('help loads no engine, no HTTP client and no server', () => {
    const hook = `import { registerHooks } from 'node:module'
      registerHooks({ load: (url, context, next) => { if (url.startsWith('file:')) process._rawDebug(url); return next(url, context) } })`
    const { stderr } = run([
      '--import',
      `data:text/javascript,${encodeURIComponent(hook)}`,
      'dist/main.js',
      '--help',
    ])
    const bytes = stderr
      .split('\n')
      .filter((line) => line.startsWith('file:'))
      .map((url) => statSync(new URL(url)).size)
    expect(bytes.length).toBeGreaterThan(0)
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(200_000)
  })

  test('an old Node is told what it lacks', () => {
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '18.20.4' })"
    const { status, stdout, stderr } = run([
      '--import',
      `data:text/javascript,${encodeURIComponent(pretend)}`,
      'bin/imgctl.js',
      'image',
      'list',
    ])
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toBe(
      'error: imgctl needs Node.js 20.19 or newer, this is 18.20.4\nhint: install a current Node.js: https://nodejs.org\n',
    )
  })

  test('version as a record', async () => {
    const { stdout } = await imgctl(['version', '--format', 'json'])
    expect(JSON.parse(stdout)).toEqual({
      version,
      node: process.versions.node,
      platform: `${process.platform}/${process.arch}`,
    })
  })

  test('no command hangs or asks without a terminal, and each ends with a known exit code', async () => {
    const leaves = TREE.flatMap((node) =>
      'commands' in node ? node.commands.map(({ name }) => [node.name, name]) : [[node.name]],
    )
    const codes: Record<string, number | null> = {}
    const env = { ...nobody, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
    for (const words of leaves) codes[words.join(' ')] = (await imgctl(words, { env, cwd: home })).code
    expect(codes).toEqual({
      'image push': 2,
      'image build': 3,
      'image create': 2,
      'image list': 4,
      'image inspect': 2,
      'image delete': 4,
      'image save': 2,
      'image load': 5,
      'image history': 2,
      'image tag': 2,
      'image prune': 8,
      'image pull': 2,
      'image import': 2,
      'image commit': 2,
      'image search': 2,
      'image enable': 2,
      'image disable': 2,
      'image retry': 2,
      'serve check': 3,
      'serve backup': 2,
      'serve gc': 3,
      'serve organization': 0,
      'serve user': 0,
      api: 2,
      login: 2,
      'cache info': 0,
      'cache prune': 0,
      completion: 2,
      doctor: 1,
      logout: 0,
      whoami: 4,
      'profile list': 0,
      'profile use': 2,
      'audit list': 4,
      'registry add': 2,
      'registry list': 4,
      'registry remove': 2,
      'registry update': 2,
      'profile remove': 2,
      'key create': 2,
      'key list': 4,
      'key revoke': 2,
      'organization list': 4,
      'organization use': 2,
      version: 0,
    })
    expect(readdirSync(home)).toEqual([])
  })

  test('a reader that goes away is no error message', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'bin/imgctl.js'), 'help', 'exit-codes'])
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', (text) => {
      stderr += text
    })
    await once(child, 'close')
    expect(stderr).toBe('')
  })

  test.each<[Record<string, string>, boolean]>([
    [{}, false],
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
  ])('colours in a pipe with %o: %s', async (env, colored) => {
    const { stderr } = await imgctl(['imag'], { env })
    expect(stderr.includes('\x1b[31m')).toBe(colored)
  })

  test.each<[Record<string, string>, boolean]>([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ])('colours on a terminal with %o: %s', async (env, colored) => {
    const terminal = inTerminal(['imag'], env)
    expect(await terminal.exitCode).toBe(2)
    expect(terminal.screen().includes('\x1b[31m')).toBe(colored)
  })
})

describe('a server that is not one', () => {
  test('nobody listens', async () => {
    const result = await imgctl(['whoami', '--format', 'json'], {
      env: { ...server.env, IMGCTL_SERVER: 'http://127.0.0.1:9' },
    })
    expect(result.code).toBe(8)
    expect(jsonError(result)).toMatchObject({
      code: 'SERVER_UNREACHABLE',
      hint: expect.stringContaining('imgctl serve'),
    })
  })

  test('a page answers', async () => {
    const url = await listen((_, response) => response.end('<html><h1>Hello</h1></html>'))
    const result = await imgctl(['whoami', '--format', 'json'], {
      env: { ...server.env, IMGCTL_SERVER: url },
    })
    expect(result.code).toBe(1)
    expect(jsonError(result)).toMatchObject({
      code: 'SERVER_ERROR',
      status: 200,
      message: expect.stringContaining('Hello'),
    })
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('it never answers: %s ends the wait, exit %d', async (signal, code) => {
    let arrived = () => {}
    const request = new Promise<void>((done) => {
      arrived = done
    })
    const url = await listen(() => arrived())
    const { child, ended } = startImgctl(['whoami'], { env: { ...server.env, IMGCTL_SERVER: url } })
    await request
    child.kill(signal)
    const result = await ended
    expect([result.code, result.stdout]).toEqual([code, ''])
    expect(result.stderr).toMatch(/^(?:interrupted|terminated)\n$/)
  })
})

describe('logging in', () => {
  const login = (input: string, args: string[] = []) =>
    imgctl(['login', '--server', server.url, '--api-key-stdin', ...args], { env: nobody, input })
  const files = () =>
    readdirSync(join(home, 'config'))
      .filter((name) => name !== '.locks')
      .sort()

  test('a key from stdin is verified, kept in 0600 files, and in use from then on', async () => {
    const result = await login(`${server.apiKey}\n`)
    expect([result.code, result.stdout]).toEqual([0, ''])
    expect(result.stderr).toContain('Successfully logged in')
    expect(result.stderr).not.toContain(server.apiKey)
    expect(files()).toEqual(['config.json', 'credentials.json'])
    for (const file of files()) expect(statSync(join(home, 'config', file)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(home, 'config/config.json'), 'utf8')).not.toContain(server.apiKey)

    const who = await imgctl(['whoami', '--format', 'json'], { env: nobody })
    expect(JSON.parse(who.stdout)).toMatchObject({
      server: server.url,
      profile: 'local',
      credentialStore: 'file',
      organization: 'default',
    })
  })

  test.each([
    [`img_${'x'.repeat(43)}`, 4, 'AUTH_REQUIRED'],
    ['', 2, 'INPUT_REQUIRED'],
    ['two words', 2, 'USAGE'],
  ])('the key %j is refused and nothing is stored', async (key, code) => {
    const result = await login(key)
    expect(result.code).toBe(code)
    expect(readdirSync(home)).toEqual([])
  })

  test('a failed login leaves the one before', async () => {
    await login(server.apiKey)
    expect((await login(`img_${'x'.repeat(43)}`)).code).toBe(4)
    expect((await imgctl(['whoami'], { env: nobody })).code).toBe(0)
  })

  test('a key among the arguments works, with a warning', async () => {
    const args = ['login', '--server', server.url, '--api-key', server.apiKey]
    const { code, stderr } = await imgctl(args, { env: nobody })
    expect(code).toBe(0)
    expect(stderr).toContain('warning: --api-key is visible')
  })

  test('the environment alone is enough and stores nothing', async () => {
    const env = { ...nobody, IMGCTL_SERVER: server.url, IMGCTL_API_KEY: server.apiKey }
    const { stdout } = await imgctl(['whoami', '--format', '{{.CredentialStore}} {{.Profile}}'], { env })
    expect(stdout).toBe('environment \n')
    expect(readdirSync(home)).toEqual([])
  })

  test('a .env file in the project is not read', async () => {
    writeFileSync(join(home, '.env'), `IMGCTL_API_KEY=${server.apiKey}\nIMGCTL_SERVER=${server.url}\n`)
    expect((await imgctl(['whoami'], { env: nobody, cwd: home })).code).toBe(4)
  })

  test('a stored key does not go to another server', async () => {
    await login(server.apiKey)
    const seen: (string | undefined)[] = []
    const url = await listen((request, response) => {
      seen.push(request.headers.authorization)
      response.end('{}')
    })
    expect((await imgctl(['whoami', '--server', url], { env: nobody })).code).toBe(4)
    expect(seen).toEqual([])
  })

  test('profiles: list, use, remove, logout', async () => {
    await login(server.apiKey)
    await login(server.apiKey, ['--profile', 'second'])
    const list = async () => (await imgctl(['profile', 'list'], { env: nobody })).stdout
    expect(await list()).toBe(`local\t${server.url}\tfalse\ttrue\nsecond\t${server.url}\ttrue\ttrue\n`)
    await imgctl(['profile', 'use', 'local'], { env: nobody })
    expect((await imgctl(['logout'], { env: nobody })).stderr).toContain('Successfully logged out (local)')
    expect(await list()).toBe(`local\t${server.url}\ttrue\tfalse\nsecond\t${server.url}\tfalse\ttrue\n`)
    await imgctl(['profile', 'remove', 'second'], { env: nobody })
    expect(await list()).toBe(`local\t${server.url}\ttrue\tfalse\n`)
    expect(readFileSync(join(home, 'config/credentials.json'), 'utf8')).not.toContain(server.apiKey)
    expect((await imgctl(['logout', '--all'], { env: nobody })).stderr).toBe('Nobody was logged in\n')
  })

  test('a person is asked, and what is typed is not shown', async () => {
    const terminal = inTerminal(['login', '--server', server.url], nobody)
    await terminal.shows('? Select Authentication Method')
    await terminal.shows('Login with Browser')
    terminal.type(`${ARROW_DOWN}\r`)
    await terminal.shows('? API key')
    terminal.type(`${server.apiKey}\r`)
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.screen()).toContain('Successfully logged in')
    expect(terminal.screen()).not.toContain(server.apiKey)
  })

  test('Ctrl-C at the question: exit 130, nothing stored', async () => {
    const terminal = inTerminal(['login', '--server', server.url], nobody)
    await terminal.shows('Set API Key')
    terminal.type('\x03')
    expect(await terminal.exitCode).toBe(130)
    expect(readdirSync(home)).toEqual([])
  })
})

describe('the server', () => {
  test('its first start logs this user in, and SIGTERM ends it in order', async () => {
    const args = ['serve', '--port', '0', '--data', join(home, 'data'), '--log-level', 'warn']
    const { child, ended, stderr } = startImgctl(args, { env: nobody })
    while (!stderr().includes('this user is logged in'))
      await new Promise((resolve) => setTimeout(resolve, 20))
    const who = await imgctl(['whoami', '--format', '{{.Profile}} {{.Permissions}}'], { env: nobody })
    expect(who.stdout).toMatch(/^local .*admin/)
    child.kill('SIGTERM')
    const { code, stdout } = await ended
    expect([code, stdout]).toEqual([0, ''])
  })

  test('a second one on the same folder is refused', async () => {
    const args = ['serve', '--port', '0', '--data', join(server.folder, 'data')]
    const { code, stderr } = await imgctl(args, { env: nobody })
    expect(code).toBe(7)
    expect(stderr).toMatch(/^error: .*\nhint: /)
  })

  test.each([
    [['--host', '0.0.0.0'], 2],
    [['--port', '70000'], 2],
    [['--tls-cert', 'x.pem'], 2],
    [['--tls-cert', '/nope.pem', '--tls-key', '/nope.key'], 1],
  ])('serve %j is refused: exit %d', async (extra, code) => {
    const result = await imgctl(['serve', '--port', '0', '--data', join(home, 'data'), ...extra], {
      env: nobody,
    })
    expect(result.code).toBe(code)
    expect(result.stderr).toMatch(/^error: /)
  })
})

async function listen(answer: Parameters<typeof createServer>[1] & object): Promise<string> {
  const http = createServer(answer)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

function run(args: string[]) {
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
}
