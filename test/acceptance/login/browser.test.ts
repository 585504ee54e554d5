import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { decodeJwt, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Result, serve, type TestServer } from '../program.ts'
import { browse, visit } from './browse.ts'
import { AUDIENCE, CLIENT_ID, issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { AUTHORIZATION_URL, newUser, type TestUser } from './user.ts'

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
  issuer.answer = 'approve'
  issuer.tamper = undefined
  issuer.describe = undefined
  issuer.grants.length = 0
})

/** Nothing of a login is left behind by one that failed. */
function expectNothingStored(user: TestUser): void {
  expect(user.files().filter(({ path }) => !path.includes('locks/'))).toEqual([])
}

/** `login` with its errors as JSON. */
const start = (user: TestUser, args: readonly string[] = [], env: Record<string, string> = {}) =>
  user.start(['--server', server.url, 'login', '--web', '--no-browser', ...args, '--debug'], env)

/** The URL that the issuer sends the browser back to, not visited yet. */
async function callbackOf(url: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let next = new URL(url)
  while (next.pathname !== '/callback') {
    const { headers } = await visit(next.href, cookies)
    next = new URL(String(headers['location']), next)
  }
  return next
}

test('the browser comes back, and the login is there', async () => {
  const user = newUser()
  const { code, stdout, stderr, page } = await user.login(server.url)
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr).toContain('✓ Successfully logged in!')
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining('You are logged in') })
  expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  const who = await user.run(['whoami', '--format', 'json'])
  expect(JSON.parse(who.stdout)).toMatchObject({
    profile: 'local',
    method: 'oauth',
    credentialStore: 'file',
    keyName: null,
    expiresAt: expect.stringMatching(/^\d{4}-/),
  })
  expect(issuer.grants).toEqual(['authorization_code'])
})

test('what the issuer is asked for', async () => {
  const user = newUser()
  const started = start(user, ['--callback-port', String(await freePort())])
  const parameters = Object.fromEntries(new URL(await started.says(AUTHORIZATION_URL)).searchParams)
  expect(parameters).toEqual({
    response_type: 'code',
    client_id: CLIENT_ID,
    scope: 'openid profile email offline_access',
    prompt: 'consent',
    code_challenge_method: 'S256',
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    resource: AUDIENCE,
    audience: AUDIENCE,
    redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
  })
})

describe('a browser that is opened', () => {
  /** A person at a desktop whose `xdg-open` does what a test says. */
  function desktop(script: string) {
    const user = newUser()
    const bin = join(user.home, 'bin')
    mkdirSync(bin)
    const seen = join(user.home, 'opened')
    writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\necho "$1" >> ${seen}\n${script}\n`)
    chmodSync(join(bin, 'xdg-open'), 0o755)
    const env = { DISPLAY: ':0', PATH: `${bin}:${process.env['PATH']}` }
    const args = ['login', '--server', server.url, '--web']
    return { user, seen, start: () => user.start(args, env) }
  }

  test('gets the page that is printed, after the listener stands', async () => {
    const { seen, start } = desktop('')
    const started = start()
    const url = await started.says(AUTHORIZATION_URL)
    expect(
      await started.says(/Opening the browser for authentication \.\.\.\n\nIf opening fails, visit:\n/),
    ).toBeTruthy()
    while (!tryRead(seen)) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(tryRead(seen)).toBe(`${url}\n`)
    expect((await browse(url)).status).toBe(200)
    expect((await started.ended).code).toBe(0)
  })

  test('that fails is told, and the page works still', async () => {
    const { start } = desktop('exit 3')
    const started = start()
    const url = await started.says(AUTHORIZATION_URL)
    await started.says(/warning: the browser could not be opened \(exit code 3\)/)
    await browse(url)
    expect((await started.ended).code).toBe(0)
  })
})

describe('what goes wrong at the issuer', () => {
  test('the user says no', async () => {
    issuer.answer = 'deny'
    const user = newUser()
    const result = await user.login(server.url, ['--debug'])
    expect(result.page).toMatchObject({ status: 403, text: expect.stringContaining('The login was denied') })
    expect([result.code, result.stdout]).toEqual([4, ''])
    expect(result.stderr).toContain(`error: the login was denied at ${issuer.url}`)
    expectNothingStored(user)
    expect(issuer.grants).toEqual([])
  })

  test('a state of another login: refused, said, and the right one still works', async () => {
    const user = newUser()
    const started = start(user)
    const callback = await callbackOf(await started.says(AUTHORIZATION_URL))
    const wrong = new URL(callback)
    wrong.searchParams.set('state', 'x'.repeat(43))
    expect((await visit(wrong.href)).status).toBe(400)
    await started.says(/warning: a callback with another state was refused; still waiting/)
    expect((await visit(callback.href)).status).toBe(200)
    expect((await started.ended).code).toBe(0)
    expect(issuer.grants).toEqual(['authorization_code'])
  })

  test('a code that was used before', async () => {
    const user = newUser()
    const first = start(user)
    const used = await callbackOf(await first.says(AUTHORIZATION_URL))
    await visit(used.href)
    await first.ended

    const other = newUser()
    const second = start(other)
    const callback = await callbackOf(await second.says(AUTHORIZATION_URL))
    callback.searchParams.set('code', used.searchParams.get('code')!)
    expect(await visit(callback.href)).toMatchObject({
      status: 410,
      text: expect.stringContaining('expired'),
    })
    const { code, stderr } = await second.ended
    expect([code, stderr.includes('error: the login has expired or was used before')]).toEqual([4, true])
    expect(stderr).not.toContain(used.searchParams.get('code'))
    expectNothingStored(other)
  })

  test('nobody comes', async () => {
    const user = newUser()
    const { code, stderr } = await start(user, ['--timeout', '1s']).ended
    expect(code).toBe(6)
    expect(stderr).toMatch(/error: nobody logged in within 1 s\nhint: .*--device/)
    expectNothingStored(user)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while it waits', async (signal, exit) => {
    const user = newUser()
    const started = start(user)
    const url = new URL(await started.says(AUTHORIZATION_URL))
    started.child.kill(signal)
    expect((await started.ended).code).toBe(exit)
    await expect(visit(url.searchParams.get('redirect_uri')!)).rejects.toThrow()
    expectNothingStored(user)
  })

  test('the port for the way back is taken', async () => {
    const user = newUser()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void other.close())
    const { port } = other.address() as AddressInfo
    const { code, stderr } = await start(user, ['--callback-port', String(port)]).ended
    expect([code, stderr.includes('hint: without --callback-port a free one is taken')]).toEqual([7, true])
  })
})

describe('an issuer that lies', () => {
  /** Another ID token than the issuer made, signed as a test says. */
  const withClaims = (changes: Record<string, unknown>, sign = signWith(issuer.jwk)) => {
    issuer.tamper = async (answer) => {
      const claims = { ...decodeJwt(String(answer['id_token'])), ...changes }
      return { ...answer, id_token: await sign(claims) }
    }
  }

  async function expectUntrusted(): Promise<Result> {
    const user = newUser()
    const result = await user.login(server.url, ['--debug'])
    expect(result.page).toMatchObject({ status: 502, text: expect.stringContaining('The login failed') })
    expect([result.code, result.stdout]).toEqual([4, ''])
    expect(result.stderr).toContain(`the answer of ${issuer.url} cannot be trusted`)
    for (const secret of issuer.secrets) expect(result.stderr).not.toContain(secret)
    expectNothingStored(user)
    return result
  }

  const second = () => Math.floor(Date.now() / 1000)

  test.each<[string, () => void]>([
    ['names another issuer', () => withClaims({ iss: 'https://evil.example' })],
    ['made the ID token for somebody else', () => withClaims({ aud: 'another-client' })],
    ['made it for another login', () => withClaims({ nonce: 'another' })],
    ['says no nonce', () => withClaims({ nonce: undefined })],
    ['made it for the past', () => withClaims({ exp: second() - 120, iat: second() - 600 })],
    ['made it for the future', () => withClaims({ nbf: second() + 600 })],
    ['says nobody is logged in', () => withClaims({ sub: undefined })],
    ['does not sign', () => withClaims({}, async (claims) => new UnsecuredJWT(claims).encode())],
    ['signs with a foreign key', () => withClaims({}, foreignKey)],
    ['signs with a secret that everybody knows', () => withClaims({}, publicSecret)],
    [
      'gives no ID token',
      () => {
        issuer.tamper = ({ id_token: _, ...rest }) => rest
      },
    ],
    [
      'gives a token of an unknown kind',
      () => {
        issuer.tamper = (answer) => ({ ...answer, token_type: 'mac' })
      },
    ],
  ])('it %s', async (_, lie) => {
    lie()
    await expectUntrusted()
  })

  test('it says in discovery to be somebody else', async () => {
    issuer.describe = (document) => ({ ...document, issuer: 'https://evil.example' })
    const user = newUser()
    const { code, stderr } = await start(user).ended
    expect([code, stderr.includes('cannot be trusted')]).toEqual([4, true])
    expectNothingStored(user)
  })

  test.each(['file:///etc/passwd', 'ms-settings:privacy', 'javascript:alert(1)'])(
    'its login page is %s: not printed, not opened',
    async (page) => {
      issuer.describe = (document) => ({ ...document, authorization_endpoint: page })
      const user = newUser()
      const { code, stderr } = await start(user).ended
      expect([code, stderr]).toEqual([4, expect.stringContaining('cannot be trusted')])
      expect(stderr).not.toContain(page)
      expectNothingStored(user)
    },
  )

  test('it answers for somebody else (mix-up)', async () => {
    const user = newUser()
    const started = start(user)
    const callback = await callbackOf(await started.says(AUTHORIZATION_URL))
    callback.searchParams.set('iss', 'https://evil.example')
    expect((await visit(callback.href)).status).toBe(502)
    expect((await started.ended).code).toBe(4)
    expect(issuer.grants).toEqual([])
  })

  test('its access token is for another server: nothing is stored', async () => {
    issuer.tamper = async (answer) => {
      const claims = decodeJwt(String(answer['access_token']))
      return {
        ...answer,
        access_token: await signWith(issuer.jwk)({ ...claims, aud: 'https://other.example' }),
      }
    }
    const user = newUser()
    const result = await user.login(server.url, ['--debug'])
    expect([result.code, result.stdout]).toEqual([4, ''])
    expectNothingStored(user)
  })
})

describe('a clock that is off', () => {
  const shifted = (minutes: number) => ({
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(
      `const now=Date.now;Date.now=()=>now()+${minutes * 60_000}`,
    )}`,
  })

  test.each([
    [5, '5 minutes ahead of'],
    [-5, '5 minutes behind'],
    [120, '120 minutes ahead of'],
  ])('by %d minutes: the login works, and the clock is told', async (minutes, words) => {
    const user = newUser()
    const { code, stderr } = await user.login(server.url, [], shifted(minutes))
    expect(stderr).toContain(`warning: this machine's clock is ${words} the issuer's; please set it`)
    expect(code).toBe(0)
    expect((await user.run(['whoami'], shifted(minutes))).code).toBe(0)
  })
})

describe('servers and issuers that are not there', () => {
  test('the issuer does not answer', async () => {
    const gone = await startIssuer()
    const lonely = await serve(issuerArguments(gone))
    await gone.stop()
    onTestFinished(lonely.stop)
    const user = newUser()
    const { code, stderr } = await user.run(['login', '--server', lonely.url, '--web', '--no-browser'])
    expect([code, stderr]).toEqual([8, expect.stringContaining(`cannot reach the issuer ${gone.url}`)])
    expectNothingStored(user)
  })

  test.each(['--web', '--device', '--no-browser'])('a server without an issuer, with %s', async (option) => {
    const keysOnly = await serve(['--host', '0.0.0.0', '--insecure-http'])
    onTestFinished(keysOnly.stop)
    const user = newUser()
    const url = keysOnly.url.replace('0.0.0.0', '127.0.0.1')
    const { code, stderr } = await user.run(['login', '--server', url, option])
    expect(code).toBe(1)
    expect(stderr).toMatch(/error: .* has no login with a browser or a code\nhint: .*--api-key-stdin/)
    expectNothingStored(user)
  })

  test('several ways to log in at once are a wrong usage', async () => {
    const user = newUser()
    for (const ways of [
      ['--device', '--web'],
      ['--api-key-stdin', '--device'],
      ['--device', '--no-browser'],
      ['--api-key-stdin', '--callback-port', '1'],
    ]) {
      expect((await user.run(['login', '--server', server.url, ...ways])).code).toBe(2)
    }
  })
})

type Sign = (claims: Record<string, unknown>) => Promise<string>

function signWith(jwk: TestIssuer['jwk']): Sign {
  return async (claims) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: jwk.kid! })
      .sign(await importJWK(jwk, 'RS256'))
}

/** The name of the issuer's key, and not its key. */
const foreignKey: Sign = async (claims) => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return signWith({ ...(await exportJWK(privateKey)), kid: issuer.jwk.kid! })(claims)
}

/** The public key taken for a shared secret. */
const publicSecret: Sign = async (claims) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', kid: issuer.jwk.kid! })
    .sign(new TextEncoder().encode(String(issuer.jwk.n)))

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8') || undefined
  } catch {
    return undefined
  }
}
