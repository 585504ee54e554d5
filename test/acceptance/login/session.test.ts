import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { savedImage, writeArchive } from '../archives.ts'
import { serve, type TestServer } from '../program.ts'
import { inTerminal } from '../terminal.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { newUser } from './user.ts'

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

test('a login with tokens does what a key does: push, list, read, delete', async () => {
  const user = newUser()
  await user.login(server.url)
  const archive = await writeArchive(join(user.home, 'app.tar'), await savedImage({ tag: 'app:1' }))
  const push = await user.run(['image', 'push', archive, '--name', 'app:1'])
  expect([push.code, push.stdout]).toEqual([0, expect.stringMatching(/default\/app@sha256:[0-9a-f]{64}\n$/)])
  expect((await user.run(['image', 'list', '--format', '{{.Name}} {{.State}}'])).stdout).toBe(
    'app:1 active\n',
  )
  expect((await user.run(['image', 'history', '--remote', 'app:1'])).code).toBe(0)
  expect(
    (await user.run(['image', 'save', '--remote', 'app:1', '-o', join(user.home, 'out.tar')])).code,
  ).toBe(0)
  expect((await user.run(['image', 'delete', 'app:1', '--yes'])).code).toBe(0)
  expect((await user.run(['doctor', '--format', 'json'])).stdout).toContain('renewed by itself')
})

test('who may only read gets images by the access token itself', async () => {
  const user = newUser()
  await user.login(server.url)
  const archive = await writeArchive(join(user.home, 'read.tar'), await savedImage({ tag: 'read:1' }))
  expect((await user.run(['image', 'push', archive, '--name', 'read:1'])).code).toBe(0)
  const reading = await serveReaders(issuer)
  const reader = newUser()
  expect((await reader.login(reading.url)).code).toBe(0)
  const env = { IMGCTL_SERVER: reading.url, IMGCTL_API_KEY: reading.apiKey }
  expect((await user.run(['image', 'push', archive, '--name', 'read:1'], env)).code).toBe(0)
  const history = await reader.run(['image', 'history', '--remote', 'read:1'])
  expect([history.stderr, history.code]).toEqual(['', 0])
  expect((await reader.run(['image', 'push', archive, '--name', 'read:2'])).code).toBe(4)
  await reading.stop()
})

test('an organization can be chosen with the login', async () => {
  const user = newUser()
  const wrong = await user.login(server.url, ['--organization', 'nobodys'])
  expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining('no organization "nobodys"')])
  expect(user.files().filter(({ path }) => !path.includes('locks/'))).toEqual([])
  expect((await user.login(server.url, ['--organization', 'default', '--profile', 'work'])).code).toBe(0)
  const list = JSON.parse((await user.run(['profile', 'list', '--format', 'json'])).stdout)
  expect(list).toMatchObject([{ name: 'work', organization: 'default', credentialStore: 'file' }])
})

test('profiles keep logins apart', async () => {
  const user = newUser()
  await user.login(server.url, ['--profile', 'person'])
  await user.run(
    ['login', '--server', server.url, '--profile', 'robot', '--api-key-stdin'],
    {},
    server.apiKey,
  )
  const method = async (args: string[], env = {}) =>
    (await user.run([...args, 'whoami', '--format', '{{.Profile}} {{.Method}}'], env)).stdout
  expect(await method([])).toBe('robot api-key\n')
  expect(await method(['--profile', 'person'])).toBe('person oauth\n')
  expect(await method([], { IMGCTL_PROFILE: 'person' })).toBe('person oauth\n')
  await user.run(['profile', 'remove', 'person'])
  expect(await method([])).toBe('robot api-key\n')
  expect((await user.run(['whoami', '--profile', 'person'])).code).toBe(3)
  expect(user.files().filter(({ path }) => path.includes('/tokens/'))).toEqual([])
})

test('a login over another one takes its place, its token too', async () => {
  const user = newUser()
  await user.login(server.url)
  await user.run(['login', '--server', server.url, '--api-key-stdin'], {}, server.apiKey)
  expect((await user.run(['whoami', '--format', '{{.Method}}'])).stdout).toBe('api-key\n')
  expect(user.files().filter(({ path }) => path.includes('/tokens/'))).toEqual([])
})

test('at a terminal: the choice, and then the browser', async () => {
  const user = newUser()
  const env = { ...user.env, DISPLAY: ':0', PATH: join(user.home, 'nothing') }
  const terminal = inTerminal(['login', '--server', server.url, '--timeout', '2s'], env)
  await terminal.shows('? Select Authentication Method')
  await terminal.shows('Login with Browser')
  await terminal.shows('Authenticate using OAuth in your browser')
  terminal.type('\r')
  await terminal.shows('Opening the browser for authentication ...')
  await terminal.shows('If opening fails, visit:')
  expect(await terminal.exitCode).toBe(6)
})

/** A server that gives the issuer's users no more than reading. */
async function serveReaders({ url }: TestIssuer): Promise<TestServer> {
  const args = issuerArguments({ url }).slice(0, -2)
  return serve([...args, '--oidc-default-permission', 'read:images'])
}
