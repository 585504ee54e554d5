import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startFaultyRegistry } from '../registry/faulty-registry.ts'
import { writeTlsFiles } from '../server/start-tls-files.ts'
import { savedImage, writeArchive } from './archives.ts'
import { type ConnectProxy, connectProxy } from './connect-proxy.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'

const SECRET = 'pr0xy-s3cret'

let folder: string
let certificate: string
let secured: TestServer
let plain: TestServer
let proxy: ConnectProxy | undefined
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-tls-'))
  const { certFile, keyFile } = await writeTlsFiles(folder)
  certificate = certFile
  secured = await serve(['--tls-cert', certFile, '--tls-key', keyFile])
  plain = await serve()
})
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
})
afterAll(async () => {
  await Promise.all([secured.stop(), plain.stop()])
  await rm(folder, { recursive: true, force: true })
})

const archive = async (tag: string) =>
  writeArchive(join(folder, `${tag.replace(/\W/g, '-')}.tar`), await savedImage({ tag }))
const push = async (server: TestServer, tag: string, env: Record<string, string>, ...args: string[]) =>
  imgctl(['image', 'push', await archive(tag), '--progress', 'json', ...args], {
    env: { ...server.env, ...env },
  })

describe('a server whose certificate nobody knows', () => {
  test('is not trusted, and the way to trust it is said', async () => {
    const result = await push(secured, 'unknown:1.0', {})
    expect(result.code).toBe(8)
    expect(jsonError(result)).toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringContaining('certificate is not trusted'),
      hint: expect.stringContaining('--ca-file'),
    })
  })

  test('is trusted with --ca-file, its API and its registry', async () => {
    const result = await push(secured, 'trusted:1.0', {}, '--ca-file', certificate)
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/^127\.0\.0\.1:\d+\/.*@sha256:/) })
    expect(result.stderr).not.toContain('WARNING')
  })

  test('is talked to with --insecure, which is said loudly, and as JSON where that was asked for', async () => {
    const result = await push(secured, 'insecure:1.0', {}, '--insecure')
    expect(result.code).toBe(0)
    const lines = result.stderr.trim().split('\n')
    const warnings = lines
      .map((line) => JSON.parse(line))
      .filter(({ text }) => /^WARNING: --insecure/.test(text))
    expect(warnings).toHaveLength(1)
    const plainly = await imgctl(['whoami', '--insecure'], { env: secured.env })
    expect(plainly).toMatchObject({ code: 0, stderr: expect.stringMatching(/^WARNING: --insecure: cert/) })
  })

  test.each([
    ['is not there', undefined, 3, 'FILE_NOT_FOUND'],
    ['holds no certificate', 'hello', 2, 'USAGE'],
  ])('a --ca-file that %s', async (_, content, exit, code) => {
    const file = join(folder, `ca-${exit}.pem`)
    if (content) await writeFile(file, content)
    const result = await push(secured, 'nofile:1.0', {}, '--ca-file', file)
    expect(result.code).toBe(exit)
    expect(jsonError(result)).toMatchObject({ code, message: expect.stringContaining(file) })
  })
})

describe('a proxy that wants a password', () => {
  test.each([
    ['HTTP_PROXY', 'http://images.test', 'images.test:80', () => plain],
    ['HTTPS_PROXY', 'https://images.test', 'images.test:443', () => secured],
  ])(
    '%s: API and registry go through it, and its password is never shown',
    async (variable, url, target, of) => {
      proxy = await connectProxy(of().host, `ada:${SECRET}`)
      const env = { IMGCTL_SERVER: url, [variable]: `http://ada:${SECRET}@${proxy.host}` }
      const tag = `proxied:${variable.toLowerCase()}`
      const result = await push(of(), tag, env, '--insecure', '--debug')
      expect(result).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^images\.test\/default\/proxied@/),
      })
      expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([target]))
      expect(result.stdout + result.stderr).not.toContain(SECRET)
    },
  )

  test('the wrong one: what the proxy said, without the password', async () => {
    proxy = await connectProxy(plain.host, `ada:${SECRET}`)
    const env = { IMGCTL_SERVER: 'http://images.test', HTTP_PROXY: `http://ada:no${SECRET}@${proxy.host}` }
    const result = await push(plain, 'refused:1.0', env, '--debug')
    expect(result.code).toBe(8)
    expect(jsonError(result)).toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringMatching(/the proxy 127\.0\.0\.1:\d+ \(HTTP_PROXY\) answered 407$/),
    })
    expect(result.stderr).not.toContain(SECRET)
  })

  test.each([
    ['the server', [], 'SERVER_UNREACHABLE', /^cannot reach the server http:\/\/images\.test: /],
    [
      'a registry',
      ['--to', 'registry.test/a:1', '--plain-http'],
      'REGISTRY_UNREACHABLE',
      /^registry registry\.test: /,
    ],
  ])('not there: it is named, and not blamed on %s', async (_, args, code, start) => {
    proxy = await connectProxy(plain.host, '')
    const { host } = proxy
    await proxy.close()
    const env = { IMGCTL_SERVER: 'http://images.test', HTTP_PROXY: `http://ada:${SECRET}@${host}` }
    const result = await push(plain, 'absent:1.0', env, '--retries', '0', ...args)
    expect(result.code).toBe(8)
    const error = jsonError(result)
    expect(error).toMatchObject({ code, hint: expect.stringContaining('check HTTP_PROXY; NO_PROXY=') })
    expect(error.message).toMatch(start)
    expect(error.message).toContain(`the proxy ${host} (HTTP_PROXY) cannot be used: connection refused`)
    expect(result.stderr).not.toContain(SECRET)
  })

  test('NO_PROXY with the port keeps the request from it', async () => {
    proxy = await connectProxy(plain.host, `ada:${SECRET}`)
    const env = {
      IMGCTL_SERVER: 'http://images.test',
      HTTP_PROXY: `http://${proxy.host}`,
      NO_PROXY: '.test:80',
    }
    expect(await push(plain, 'direct:1.0', env)).toMatchObject({ code: 8 })
    expect(proxy.tunnels).toEqual([])
  })
})

describe('a registry that speaks HTTP', () => {
  test.each([
    [['--plain-http'], 0],
    [[], 8],
  ])('elsewhere, with %j: exit %i', async (flags, exit) => {
    const registry = await startFaultyRegistry()
    proxy = await connectProxy(registry.location.host, 'ada:x')
    const login = `http://ada:x@${proxy.host}`
    const path = await archive('plain:1.0')
    const to = ['--to', 'registry.test/team/app:1.0', '--retries', '0']
    const result = await imgctl(['image', 'push', path, ...to, '--progress', 'json', ...flags], {
      env: { ...plain.env, HTTP_PROXY: login, HTTPS_PROXY: login },
    })
    await registry.close()
    expect(result.code).toBe(exit)
    if (exit === 0) return expect([...registry.manifests.keys()]).toContain('1.0')
    expect(jsonError(result)).toMatchObject({ hint: expect.stringContaining('--plain-http') })
  })
})
