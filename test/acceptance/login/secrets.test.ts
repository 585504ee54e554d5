import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../services/use.ts'
import { serve, type TestServer } from '../program.ts'
import { browse } from './browse.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { type Keyring, startKeyring } from './keyring.ts'
import { AUTHORIZATION_URL, newUser, type TestUser, until } from './user.ts'

let issuer: TestIssuer
let server: TestServer
beforeAll(async () => {
  issuer = await startIssuer()
  server = await serve([...issuerArguments(issuer), '--log-level', 'info'])
})
afterAll(async () => {
  await server.stop()
  await issuer.stop()
})

/** The command lines of all processes, as every user sees them. */
function processList(): string {
  const lines: string[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lines.push(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))
    } catch {
      // It has ended.
    }
  }
  return lines.join('\n')
}

describeWith(['keyring'], 'where a login leaves its secrets', () => {
  let keyring: Keyring
  beforeAll(async () => {
    keyring = await startKeyring()
  })
  afterAll(() => keyring.stop())

  test('nowhere but in the keyring and the access token cache', async () => {
    const user = newUser()
    const seen: string[] = []
    const watcher = setInterval(() => seen.push(processList()), 15)
    const outputs: string[] = []
    const note = ({ stdout, stderr }: { stdout: string; stderr: string }) => outputs.push(stdout, stderr)
    try {
      const started = user.start(
        ['login', '--server', server.url, '--web', '--no-browser', '--debug'],
        keyring.env,
      )
      outputs.push((await browse(await started.says(AUTHORIZATION_URL))).text)
      note(await started.ended)
      note(await user.run(['whoami', '--debug', '--format', 'json'], keyring.env))
      note(await user.run(['doctor', '--debug'], keyring.env))
      note(await user.run(['api', 'GET', '/nope', '--debug'], keyring.env))
      expireToken(user)
      issuer.tokenAnswers.push('server_error')
      note(await user.run(['whoami', '--debug'], keyring.env))
      note(await user.run(['whoami', '--debug'], keyring.env))
      const made = await user.run(['key', 'create', 'made', '--permission', 'admin'], keyring.env)
      const key = made.stdout.trim()
      outputs.push(made.stderr)
      issuer.secrets.add(key)
      note(
        await user.run(
          ['login', '--profile', 'key', '--server', server.url, '--api-key-stdin'],
          keyring.env,
          key,
        ),
      )
      note(await user.run(['whoami', '--profile', 'key', '--debug'], keyring.env))
    } finally {
      clearInterval(watcher)
    }
    const accessTokens = user.files().filter(({ path }) => path.includes('/tokens/'))
    const others = user.files().filter(({ path }) => !path.includes('/tokens/'))
    expect(accessTokens.map(({ mode }) => mode)).toEqual([0o600])
    expect(issuer.secrets.size).toBeGreaterThan(6)
    const places = {
      outputs: outputs.join('\n'),
      processes: seen.join('\n'),
      'the server’s log': server.log(),
      files: others.map(({ text }) => text).join('\n'),
    }
    for (const [place, text] of Object.entries(places)) {
      const found = [...issuer.secrets].filter((secret) => text.includes(secret))
      expect([place, found]).toEqual([place, []])
    }
    expect(await keyring.search()).toContain('refreshToken')

    note(await user.run(['logout', '--all'], keyring.env))
    await until(() => user.files().every(({ path }) => !path.includes('/tokens/')))
    const left = user.files().map(({ text }) => text)
    expect([...issuer.secrets].filter((secret) => left.join('\n').includes(secret))).toEqual([])
    expect(await keyring.search()).toBe('')
  })
})

/** As if its time were over. */
function expireToken(user: TestUser): void {
  const [token] = user.files().filter(({ path }) => path.includes('/tokens/'))
  rmSync(token!.path)
}
