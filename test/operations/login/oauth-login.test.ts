import { expect, test } from 'vitest'
import { headlessReason } from '../../../src/operations/login/headless.ts'
import { logInWithOAuth, type OAuthLoginRequest } from '../../../src/operations/login/oauth-login.ts'
import type { BrowserLogin, Issuer, OAuthLogin } from '../../../src/ports/login.ts'

const DISPLAY = { DISPLAY: ':0' }

test.each<[Record<string, string>, string, string | undefined]>([
  [DISPLAY, 'linux', undefined],
  [{ WAYLAND_DISPLAY: 'wayland-0' }, 'linux', undefined],
  [{ WSL_DISTRO_NAME: 'Debian' }, 'linux', undefined],
  [{ BROWSER: 'lynx' }, 'linux', undefined],
  [{}, 'darwin', undefined],
  [{}, 'win32', undefined],
  [{}, 'linux', 'there is no display'],
  [{ ...DISPLAY, SSH_CONNECTION: '1.2.3.4 5 6.7.8.9 22' }, 'linux', 'this is an SSH session'],
  [{ SSH_TTY: '/dev/ttys1' }, 'darwin', 'this is an SSH session'],
  [{ ...DISPLAY, CODESPACES: 'true' }, 'linux', 'this is a codespace'],
  [{ ...DISPLAY, REMOTE_CONTAINERS: 'true' }, 'linux', 'this is a dev container'],
  [{ ...DISPLAY, CI: 'true' }, 'linux', 'this is CI'],
  [{ ...DISPLAY, CI: 'false' }, 'linux', undefined],
])('%o on %s: %s', (environment, platform, reason) => {
  expect(headlessReason(environment, platform)).toBe(reason)
})

const REQUEST: OAuthLoginRequest = {
  method: 'auto',
  openBrowser: true,
  callbackPort: undefined,
  timeoutMs: undefined,
  headless: undefined,
}

async function login(changes: Partial<OAuthLoginRequest>, { hasDevice = true, browserWorks = true } = {}) {
  const did: (string | BrowserLogin)[] = []
  const issuer: Issuer = {
    hasDeviceLogin: hasDevice,
    loginWithBrowser: async (request) => {
      did.push(request)
      return browserWorks || !request.needsBrowser ? ({} as OAuthLogin) : undefined
    },
    loginWithDevice: async () => {
      did.push('device')
      return {} as OAuthLogin
    },
  }
  const events: unknown[] = []
  await logInWithOAuth(
    issuer,
    { ...REQUEST, ...changes },
    (event) => events.push(event),
    new AbortController().signal,
  )
  return { did, events }
}

const browser = (openBrowser: boolean, needsBrowser: boolean) =>
  expect.objectContaining({ openBrowser, needsBrowser, timeoutMs: 180_000 })

test.each<[string, Partial<OAuthLoginRequest>, Parameters<typeof login>[1], unknown[]]>([
  ['a browser where one can be opened', {}, {}, [browser(true, true)]],
  ['a code where none can', { headless: 'no display' }, {}, ['device']],
  ['a code when opening fails', {}, { browserWorks: false }, [browser(true, true), 'device']],
  [
    'the page alone where there are no codes',
    { headless: 'x' },
    { hasDevice: false },
    [browser(false, false)],
  ],
  ['a browser that is forced', { method: 'browser', headless: 'x' }, {}, [browser(true, false)]],
  [
    'the page alone when that is asked for',
    { method: 'browser', openBrowser: false, headless: 'x' },
    {},
    [browser(false, false)],
  ],
  ['a code that is forced', { method: 'device' }, {}, ['device']],
])('%s', async (_, changes, issuer, expected) => {
  expect((await login(changes, issuer)).did).toEqual(expected)
})

test('why it is a code is said', async () => {
  expect((await login({ headless: 'no display' })).events).toEqual([
    { type: 'device-chosen', reason: 'no display' },
  ])
})
