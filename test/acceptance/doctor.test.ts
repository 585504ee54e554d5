import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ENGINES } from '../services/engines.ts'
import { describeWith, service } from '../services/use.ts'
import { imgctl, jsonError, type Options, type Result, serve, type TestServer } from './program.ts'

let server: TestServer
let home: string
beforeAll(async () => {
  server = await serve()
  home = await mkdtemp(join(tmpdir(), 'imgctl-doctor-'))
})
afterAll(async () => {
  await server.stop()
  await rm(home, { recursive: true, force: true })
})

interface Found {
  readonly name: string
  readonly status: string
  readonly found: string
  readonly details: readonly string[]
  readonly fix: string | null
}

const NO_ENGINE = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }

function doctor(args: readonly string[], env: Options['env'] = {}): Promise<Result> {
  const config = { HOME: home, IMGCTL_CONFIG_DIR: join(home, 'config'), NODE_EXTRA_CA_CERTS: undefined }
  return imgctl(['doctor', ...args], { env: { ...config, ...NO_ENGINE, ...env } })
}

function checksOf({ stdout }: Result): Record<string, Found> {
  const checks: Found[] = JSON.parse(stdout)
  return Object.fromEntries(checks.map((check) => [check.name, check]))
}

const loggedIn = () => ({ IMGCTL_SERVER: server.url, IMGCTL_API_KEY: server.apiKey })

test('nothing there: each check says what was found and what to do, and exit 1', async () => {
  const result = await doctor([], { IMGCTL_SERVER: 'http://127.0.0.1:9' })
  expect(result).toMatchObject({ code: 1 })
  const lines = result.stdout.split('\n')
  expect(lines).toContain('✗ engine              no engine answers where it was said to be')
  expect(result.stdout).toContain('unix:///nowhere/docker.sock (DOCKER_HOST): there is no such socket\n')
  expect(result.stdout).toContain('fix: start it, or use the usual places: unset DOCKER_HOST\n')
  expect(result.stdout).toContain('cannot reach the server http://127.0.0.1:9: connection refused\n')
  expect(result.stdout).toContain('fix: start one here: imgctl serve\n')
  expect(result.stdout).toContain('fix: imgctl login')
  expect(result.stdout).not.toContain('\u001b')
  expect(result.stderr).toBe('error: 3 of 11 checks failed: engine, server, login\n')
})

test('a server and a key: what needs them is right, and the key is not shown', async () => {
  const result = await doctor(['--format', 'json'], loggedIn())
  const checks = checksOf(result)
  expect(checks['server']).toMatchObject({ status: 'ok', found: expect.stringContaining(server.url) })
  expect(checks['login']).toMatchObject({
    status: 'ok',
    found: expect.stringContaining('organization default'),
  })
  expect(checks['registry']).toMatchObject({
    status: 'ok',
    found: `${server.host} takes pushes to default/ (plain HTTP)`,
  })
  expect(result.stdout + result.stderr).not.toContain(server.apiKey)
  expect(jsonError(result)).toMatchObject({ code: 'PARTIAL_FAILURE' })
  // Looking at a repository that nobody has does not make it.
  const list = await imgctl(['image', 'list', '--format', 'json'], { env: server.env })
  expect(JSON.parse(list.stdout)).toEqual([])
})

test('a key that the server does not know', async () => {
  const wrong = `img_${'x'.repeat(43)}`
  const result = await doctor(['--format', 'json'], { ...loggedIn(), IMGCTL_API_KEY: wrong })
  expect(checksOf(result)).toMatchObject({ login: { status: 'fail' }, registry: { status: 'skip' } })
  expect(result.stdout + result.stderr).not.toContain(wrong)
})

test('a stored key that others may read, and the command that mends it', async () => {
  const config = join(home, 'open')
  const env = { IMGCTL_CONFIG_DIR: config, IMGCTL_SERVER: server.url }
  await imgctl(['login', '--api-key-stdin'], { env, input: server.apiKey })
  await chmod(join(config, 'credentials.json'), 0o644)
  const bad = checksOf(await doctor(['--format', 'json'], env))
  expect(bad['credential store']).toMatchObject({
    status: 'fail',
    fix: `chmod 0600 ${join(config, 'credentials.json')}`,
  })
  await chmod(join(config, 'credentials.json'), 0o600)
  const good = checksOf(await doctor(['--format', 'json'], env))
  expect(good['credential store']).toMatchObject({ status: 'ok' })
  expect(good['login']).toMatchObject({
    status: 'ok',
    found: expect.stringContaining('profile local (file)'),
  })
})

test('a broken docker config is told by the checks that need it, and the others go on', async () => {
  const docker = join(home, 'broken-docker')
  await mkdir(docker)
  await writeFile(join(docker, 'config.json'), '{"auths": {"x": "secret-in-it"')
  const result = await doctor(['--format', 'json'], {
    ...loggedIn(),
    DOCKER_CONFIG: docker,
    DOCKER_HOST: undefined,
  })
  const message = expect.stringContaining(join(docker, 'config.json'))
  expect(checksOf(result)).toMatchObject({
    engine: { status: 'fail', found: message },
    'docker credentials': { status: 'fail', found: message },
    registry: { status: 'ok' },
  })
  expect(result.stdout).not.toContain('secret-in-it')
})

test('a proxy variable that names no proxy, and its password', async () => {
  const result = await doctor(['--format', 'json'], { ...loggedIn(), HTTPS_PROXY: 'ftp://ada:pa55@proxy' })
  expect(checksOf(result)).toMatchObject({
    proxy: { status: 'fail', details: ['HTTPS_PROXY=(not shown)'] },
    server: { status: 'fail', found: expect.stringContaining('HTTPS_PROXY') },
  })
  expect(result.stdout + result.stderr).not.toContain('pa55')
})

test('a server that never answers ends with the others, and is told', async () => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const result = await doctor(['--format', 'json'], { ...loggedIn(), IMGCTL_SERVER: url })
  silent.closeAllConnections()
  silent.close()
  expect(checksOf(result)).toMatchObject({
    server: { status: 'fail', found: 'no answer in 5 s' },
    node: { status: 'ok' },
  })
})

test('a server whose clock is another: a warning in text and JSON, which fails nothing', async () => {
  const elsewhere = new Date(Date.now() - 10 * 60_000).toUTCString()
  const proxy = createServer(async (request, response) => {
    const { authorization = '' } = request.headers
    const answer = await fetch(`${server.url}${request.url}`, { headers: { authorization } })
    response.writeHead(answer.status, { 'content-type': 'application/json', date: elsewhere })
    response.end(await answer.text())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const env = { ...loggedIn(), IMGCTL_SERVER: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
  const [json, text] = [await doctor(['--format', 'json'], env), await doctor([], env)]
  proxy.closeAllConnections()
  proxy.close()
  expect(checksOf(json)['clock']).toEqual({
    name: 'clock',
    status: 'warn',
    found: "the clock here is 10 minutes ahead of the server's: logins and certificates may be refused",
    details: [expect.stringMatching(/^here: /), `server: ${new Date(elsewhere).toISOString()}`],
    fix: expect.stringContaining('timedatectl'),
  })
  expect(text.stdout).toMatch(/! clock +the clock here is 10 minutes ahead/)
  expect(text.stderr).not.toContain('clock')
})

test('credentials beside those of docker are named, never shown', async () => {
  const file = join(home, 'auth.json')
  await writeFile(file, JSON.stringify({ auths: { 'quay.example': { auth: 'cGFzczp3b3Jk' } } }))
  const result = await doctor(['--format', 'json'], {
    ...loggedIn(),
    REGISTRY_AUTH_FILE: file,
    DOCKER_AUTH_CONFIG: '{"auths":{"registry.example":{"auth":"cGFzczp3b3Jk"}}}',
  })
  expect(checksOf(result)['docker credentials']).toMatchObject({
    status: 'ok',
    details: ['read after it: DOCKER_AUTH_CONFIG', `read after it: ${file}`],
  })
  expect(result.stdout).not.toContain('cGFzczp3b3Jk')
  const broken = await doctor(['--format', 'json'], { ...loggedIn(), DOCKER_AUTH_CONFIG: '{"secret-in-it' })
  expect(checksOf(broken)['docker credentials']).toMatchObject({
    status: 'fail',
    found: 'DOCKER_AUTH_CONFIG is not a JSON object',
    fix: 'correct it, or: unset DOCKER_AUTH_CONFIG',
  })
  expect(broken.stdout).not.toContain('secret-in-it')
})

test('looking changes nothing: no folder is made, none is touched', async () => {
  const empty = join(home, 'empty')
  await mkdir(empty)
  const before = await stat(empty)
  await doctor([], { HOME: empty, IMGCTL_CONFIG_DIR: undefined })
  expect(await readdir(empty)).toEqual([])
  expect((await stat(empty)).mtimeMs).toBe(before.mtimeMs)
})

const FACTS = {
  dockerClassic: ['Docker 20.', 'classic store'],
  dockerContainerd: ['Docker 28.', 'containerd store'],
  podman: ['Podman 4.', 'classic store'],
} as const

for (const name of ENGINES) {
  const [product, store] = FACTS[name]
  describeWith([name], `the doctor on ${name}`, () => {
    test('names product, version, API and store; all is right: exit 0', async () => {
      const { dockerHost } = service(name)
      const result = await doctor(['--format', 'json'], { ...loggedIn(), DOCKER_HOST: dockerHost })
      const engine = checksOf(result)['engine']
      expect(engine).toMatchObject({ status: 'ok', found: expect.stringContaining(product) })
      expect(engine?.found).toContain(store)
      expect(engine?.found).toContain(`at ${dockerHost} (DOCKER_HOST)`)
      expect(result).toMatchObject({ code: 0, stderr: '' })
    })

    test('--host goes before DOCKER_HOST', async () => {
      const { dockerHost } = service(name)
      const result = await doctor(['--format', 'json', '--host', dockerHost], loggedIn())
      expect(checksOf(result)['engine']).toMatchObject({
        status: 'ok',
        found: expect.stringContaining('--host'),
      })
    })
  })
}
