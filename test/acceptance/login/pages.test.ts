import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authorizationRequest, codeForm } from '../../server/issuer/open-issuer.ts'
import { imgctl, serve, type TestServer } from '../program.ts'
import { CHROMIUM, type OpenChromium, openChromium } from './chromium.ts'

const PASSWORD = 'correct horse battery'

/** The built server, and a real browser on its pages: in the order in which a new server sees them. */
describe.skipIf(CHROMIUM === undefined && process.env.CI !== 'true')('the login pages in Chromium', () => {
  let server: TestServer
  let browser: OpenChromium
  let callback: Server
  let redirect: string
  /** What the program that waits on 127.0.0.1 was sent. */
  let answered: URL[] = []

  beforeAll(async () => {
    server = await serve()
    browser = await openChromium()
    callback = createServer((request, response) => {
      const url = new URL(request.url ?? '/', redirect)
      if (url.pathname === '/callback') answered.push(url)
      response.setHeader('content-type', 'text/html').end('<h1>You can close this page</h1>')
    }).listen(0, '127.0.0.1')
    await new Promise((done) => callback.once('listening', done))
    redirect = `http://127.0.0.1:${(callback.address() as AddressInfo).port}/callback`
  })
  afterAll(async () => {
    await browser?.close()
    callback?.closeAllConnections()
    callback?.close()
    await server?.stop()
  })

  const facts = () => ({ issuer: `${server.url}/oidc`, audience: `${server.url}/api` })
  const newRequest = () => {
    answered = []
    return authorizationRequest(facts(), { redirect_uri: redirect })
  }
  const tokenFor = async (form: Record<string, string>) => {
    const response = await fetch(`${server.url}/oidc/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
    })
    return (await response.json()) as { access_token: string; error?: string }
  }
  const nameOf = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${server.url}/api/users/me`, { headers })
    return ((await response.json()) as { name: string }).name
  }
  const data = () => ['--data', `${server.folder}/data`]
  const press = (name: string) => browser.page.getByRole('button', { name }).click()
  const heading = () => browser.page.getByRole('heading', { level: 1 }).textContent()
  const logIn = async (login: string, password: string) => {
    await browser.page.getByLabel('User name').fill(login)
    await browser.page.getByLabel('Password').fill(password)
    await press('Log in')
  }

  it('sets the first password by the setup link', async () => {
    const { page } = browser
    const link = /http\S+\/oidc\/setup\/\S+/.exec(server.log())?.[0]
    await page.goto(link!)
    expect(page.url()).toBe(`${server.url}/oidc/setup`)
    await browser.screenshots('1-setup')
    await page.getByLabel('New password').fill(PASSWORD)
    await page.getByLabel('The same again').fill('correct horse buttery')
    await press('Set password')
    expect(await page.getByRole('alert').textContent()).toBe('The two are not the same.')
    await browser.screenshots('2-setup-mistyped')
    await page.getByLabel('New password').fill(PASSWORD)
    await page.getByLabel('The same again').fill(PASSWORD)
    await press('Set password')
    expect(await heading()).toBe('Password set')
    await browser.screenshots('3-setup-done')
    await page.goto(link!)
    expect(await heading()).toBe('This link does not work')
    await browser.screenshots('4-setup-gone')
  })

  it('refuses a wrong password, takes the right one, and asks before it lets imgctl in', async () => {
    const { page } = browser
    await browser.context.clearCookies()
    const request = newRequest()
    await page.goto(request.url)
    // Who cannot use a mouse: the first field has the focus, and Tab leads through.
    expect(await page.locator(':focus').getAttribute('id')).toBe('login')
    await page.keyboard.type('administrator')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').getAttribute('id')).toBe('password')
    await browser.screenshots('5-login')
    await page.keyboard.type('wrong password')
    await page.keyboard.press('Enter')
    expect(await page.getByRole('alert').textContent()).toBe('The user name or the password is wrong.')
    expect(await page.getByLabel('User name').inputValue()).toBe('administrator')
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    await browser.screenshots('6-login-wrong')
    await page.getByLabel('Password').fill(PASSWORD)
    await press('Log in')
    expect(await heading()).toBe('Allow imgctl?')
    await browser.screenshots('7-consent')
    await press('Allow')
    await page.waitForURL(`${redirect}?**`)
    const [answer] = answered
    expect(answer?.searchParams.get('state')).toBe(request.state)
    const form = codeForm(answer!.searchParams.get('code')!, request.verifier, facts().audience)
    const { access_token: token } = await tokenFor({ ...form, redirect_uri: redirect })
    expect(await nameOf(token)).toBe('administrator')
  })

  it('asks who is logged in already, and takes no for an answer', async () => {
    const { page } = browser
    const request = newRequest()
    await page.goto(request.url)
    expect(await heading()).toBe('Allow imgctl?')
    expect(await page.locator('.who').textContent()).toContain('Logged in as administrator')
    await press('Cancel')
    await page.waitForURL(`${redirect}?**`)
    expect(answered[0]?.searchParams.get('error')).toBe('access_denied')
    expect(answered[0]?.searchParams.get('code')).toBeNull()
    expect(answered[0]?.searchParams.get('state')).toBe(request.state)
  })

  it('lets another user take over the browser', async () => {
    const { page } = browser
    const added = await imgctl(['serve', 'user', 'add', 'alice', ...data()])
    expect(added.code).toBe(0)
    const set = await imgctl(['serve', 'user', 'passwd', 'alice', '--password-stdin', ...data()], {
      input: PASSWORD,
    })
    expect(set.code).toBe(0)
    const request = newRequest()
    await page.goto(request.url)
    await press('Use another account')
    expect(await heading()).toBe('Log in')
    await logIn('alice', PASSWORD)
    expect(await page.locator('.who').textContent()).toContain('Logged in as alice')
    await browser.screenshots('8-consent-alice')
    await press('Allow')
    await page.waitForURL(`${redirect}?**`)
    const form = codeForm(answered[0]!.searchParams.get('code')!, request.verifier, facts().audience)
    const { access_token: token } = await tokenFor({ ...form, redirect_uri: redirect })
    expect(await nameOf(token)).toBe('alice')
  })

  it('connects a device by the code that it shows', async () => {
    const { page } = browser
    await browser.context.clearCookies()
    const begun = await fetch(`${server.url}/oidc/device/auth`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: 'imgctl',
        scope: 'openid offline_access',
        resource: facts().audience,
      }),
    })
    const device = (await begun.json()) as Record<string, string>
    await page.goto(device['verification_uri']!)
    await browser.screenshots('9-device')
    await page.getByLabel('Code').fill('XXXX-XXXX')
    await press('Continue')
    expect(await page.getByRole('alert').textContent()).toContain('There is no such code')
    await browser.screenshots('10-device-wrong')
    await page.getByLabel('Code').fill(device['user_code']!.toLowerCase())
    await press('Continue')
    expect(await page.locator('.user-code').textContent()).toBe(device['user_code'])
    await browser.screenshots('11-device-confirm')
    await press('Yes, continue')
    await logIn('alice', PASSWORD)
    expect(await page.locator('.lead').textContent()).toContain('on the device that showed you the code')
    await browser.screenshots('12-device-consent')
    await press('Allow')
    expect(await heading()).toBe('Device connected')
    await browser.screenshots('13-device-done')
    const { access_token: token } = await tokenFor({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: 'imgctl',
      device_code: device['device_code']!,
    })
    expect(await nameOf(token)).toBe('alice')
  })

  it('makes who guesses wait, and says what went wrong elsewhere', async () => {
    const { page } = browser
    await browser.context.clearCookies()
    await page.goto(newRequest().url)
    for (let tries = 0; tries < 11; tries++) await logIn('alice', 'wrong password')
    expect(await page.getByRole('alert').textContent()).toBe(
      'Too many wrong passwords. Try again in 15 minutes.',
    )
    await browser.screenshots('14-login-throttled')
    await page.goto(authorizationRequest(facts(), { client_id: 'other' }).url)
    expect(await heading()).toBe('The login cannot go on')
    await browser.screenshots('15-error')
    await page.goto(`${server.url}/oidc/login/made-up`)
    expect(await heading()).toBe('This login has ended')
    await browser.screenshots('16-ended')
  })

  it('logs the browser out', async () => {
    const { page } = browser
    await page.goto(newRequest().url)
    await logIn('administrator', PASSWORD)
    expect(await heading()).toBe('Allow imgctl?')
    await page.goto(`${server.url}/oidc/logout`)
    expect(await heading()).toBe('Log out?')
    await browser.screenshots('17-logout')
    await press('Log out')
    expect(await heading()).toBe('Logged out')
    await browser.screenshots('18-logged-out')
    await page.goto(newRequest().url)
    expect(await heading()).toBe('Log in')
    await page.goto(`${server.url}/oidc/logout`)
    expect(await heading()).toBe('Logged out')
  })

  it('had nothing that the browser refused', () => {
    expect(browser.complaints.filter((line) => /Content Security Policy|Refused/i.test(line))).toEqual([])
  })

  it("wrote no secret into the server's log", () => {
    const token = /oidc\/setup\/(\S+)/.exec(server.log())?.[1] ?? 'no link'
    expect(server.log().split(token)).toHaveLength(2)
    expect(server.log()).not.toContain(PASSWORD)
  })
})
