import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { serve, type TestServer } from '../program.ts'
import { inTerminal } from '../terminal.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { newUser, type TestUser, until } from './user.ts'

const CODE = /enter the code:\s+([A-Z]{4}-[A-Z]{4})/
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

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
  issuer.describe = undefined
  issuer.tamper = undefined
  issuer.tokenAnswers.length = 0
  issuer.grants.length = 0
})

const start = (user: TestUser, args: string[] = []) =>
  user.start(['login', '--server', server.url, '--device', ...args])

test('a code that is entered elsewhere', async () => {
  const user = newUser()
  const started = start(user)
  expect(await started.says(/On any device, visit:\n\n(\S+)\n/)).toBe(`${issuer.url}/device`)
  await issuer.enterCode(await started.says(CODE), 'approve')
  const { code, stdout, stderr } = await started.ended
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr).toContain('✓ Successfully logged in!')
  expect((await user.run(['whoami', '--format', '{{.Method}}'])).stdout).toBe('oauth\n')
})

test('the issuer asks for patience: it gets it', async () => {
  issuer.tokenAnswers.push('authorization_pending', 'slow_down')
  const user = newUser()
  const started = start(user)
  const code = await started.says(CODE)
  await until(() => issuer.grants.length === 2)
  await issuer.enterCode(code, 'approve')
  expect((await started.ended).code).toBe(0)
  expect(issuer.grants).toEqual([DEVICE_GRANT, DEVICE_GRANT, DEVICE_GRANT])
})

test.each([
  ['access_denied', 4, /error: the login was denied/],
  ['expired_token', 6, /error: the code expired before it was entered\nhint: try again/],
  ['invalid_client', 4, /error: .* refused the login: invalid_client/],
])('the issuer says %s', async (answer, exit, words) => {
  issuer.tokenAnswers.push(answer)
  const user = newUser()
  const { code, stdout, stderr } = await start(user).ended
  expect([code, stdout, stderr]).toEqual([exit, '', expect.stringMatching(words)])
  expect(user.files().filter(({ path }) => !path.includes('locks/'))).toEqual([])
  expect(issuer.grants).toEqual([DEVICE_GRANT])
})

test('the user says no', async () => {
  const user = newUser()
  const started = start(user)
  await issuer.enterCode(await started.says(CODE), 'deny')
  expect((await started.ended).code).toBe(4)
})

test('nobody enters it', async () => {
  const { code, stderr } = await start(newUser(), ['--timeout', '1s']).ended
  expect([code, stderr]).toEqual([6, expect.stringContaining('error: the code was not entered in time')])
})

test('Ctrl-C while it waits', async () => {
  const started = start(newUser())
  await started.says(CODE)
  started.child.kill('SIGINT')
  expect((await started.ended).code).toBe(130)
})

test('an issuer without codes', async () => {
  const plain = await startIssuer({ device: false })
  const other = await serve(issuerArguments(plain))
  onTestFinished(async () => {
    await other.stop()
    await plain.stop()
  })
  const { code, stderr } = await newUser().run(['login', '--server', other.url, '--device'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/has no login with a code\nhint: imgctl login --web/)
})

describe('a person at a terminal', () => {
  const inSession = (env: Record<string, string>, args: string[] = []) => {
    const user = newUser()
    const terminal = inTerminal(['login', '--server', server.url, ...args], { ...user.env, ...env })
    return { user, terminal }
  }
  const codeOf = (screen: string) => CODE.exec(screen)?.[1] ?? ''

  test.each([
    ['over SSH', { DISPLAY: ':0', SSH_CONNECTION: '10.0.0.1 1 10.0.0.2 22' }, 'this is an SSH session'],
    ['in a dev container', { REMOTE_CONTAINERS: 'true' }, 'this is a dev container'],
    ['without a display', {}, 'there is no display'],
  ])('%s gets a code, and no browser is started', async (_, env, reason) => {
    const { user, terminal } = inSession(env)
    await terminal.shows('? Select Authentication Method')
    await terminal.shows('Set API Key')
    terminal.type('\r')
    await terminal.shows(`Logging in with a code: ${reason}`)
    await terminal.shows('Waiting ...')
    await issuer.enterCode(codeOf(terminal.screen()), 'approve')
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.screen()).not.toContain('Opening the browser')
    expect((await user.run(['whoami'])).code).toBe(0)
  })

  test('whose browser does not start gets a code', async () => {
    const user = newUser()
    const bin = join(user.home, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'xdg-open'), '#!/bin/sh\nexit 3\n')
    chmodSync(join(bin, 'xdg-open'), 0o755)
    const env = { ...user.env, DISPLAY: ':0', PATH: `${bin}:${process.env['PATH']}` }
    const terminal = inTerminal(['login', '--server', server.url], env)
    await terminal.shows('Set API Key')
    terminal.type('\r')
    await terminal.shows('Opening the browser for authentication ...')
    await terminal.shows('no browser could be opened')
    await terminal.shows('Waiting ...')
    await issuer.enterCode(codeOf(terminal.screen()), 'approve')
    expect(await terminal.exitCode).toBe(0)
  })

  test('may insist on the browser', async () => {
    const { terminal } = inSession({ SSH_TTY: '/dev/pts/9' }, ['--web', '--no-browser'])
    await terminal.shows('Log in with a browser on this machine.')
    terminal.type('\x03')
    expect(await terminal.exitCode).toBe(130)
  })
})
