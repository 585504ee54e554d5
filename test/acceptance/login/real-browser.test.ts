import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith, service } from '../../services/use.ts'
import { serve, type TestServer } from '../program.ts'
import { issuerArguments, startIssuer, type TestIssuer } from './issuer.ts'
import { newUser, type TestUser } from './user.ts'

const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
]
/** The page to log in on, at any issuer. */
const LOGIN_URL = /^(http\S+\?\S*code_challenge=\S+)$/m
const PASSWORD = 'correct horse battery staple'

describeWith(['chromium'], 'a real browser', () => {
  let folder: string
  let browser: Browser
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'imgctl-chromium-'))
    browser = await chromium.launch({
      executablePath: service('chromium').program,
      headless: true,
      args: ARGUMENTS,
      env: { ...process.env, HOME: folder } as Record<string, string>,
    })
  })
  afterAll(async () => {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function newPage(): Promise<Page> {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    return context.newPage()
  }

  /** A picture of what the person sees, kept with the results of the run. */
  async function picture(page: Page, name: string): Promise<void> {
    const artifacts = join(import.meta.dirname, '../../../.artifacts/login')
    mkdirSync(artifacts, { recursive: true })
    await page.screenshot({ path: join(artifacts, `${name}.png`) })
  }

  async function startLogin(user: TestUser, server: string) {
    const started = user.start(['login', '--server', server, '--web', '--no-browser'])
    return { started, url: await started.says(LOGIN_URL) }
  }

  describe('at another issuer', () => {
    let issuer: TestIssuer
    let server: TestServer
    beforeAll(async () => {
      issuer = await startIssuer()
      issuer.answer = 'ask'
      server = await serve(issuerArguments(issuer))
    })
    afterAll(async () => {
      await server.stop()
      await issuer.stop()
    })

    test('yes', async () => {
      const user = newUser()
      const { started, url } = await startLogin(user, server.url)
      const page = await newPage()
      await page.goto(url)
      await answer(page, 'Yes')
      await answer(page, 'Yes')
      await page.waitForSelector('text=You are logged in')
      await picture(page, 'logged-in')
      expect(page.url()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
      expect((await started.ended).code).toBe(0)
      expect((await user.run(['whoami', '--format', '{{.Method}}'])).stdout).toBe('oauth\n')
    })

    test('no', async () => {
      const user = newUser()
      const { started, url } = await startLogin(user, server.url)
      const page = await newPage()
      await page.goto(url)
      await answer(page, 'No')
      await page.waitForSelector('text=The login was denied')
      await picture(page, 'denied')
      expect((await started.ended).code).toBe(4)
    })

    test('a page of somebody else cannot answer for the person', async () => {
      const user = newUser()
      const { started, url } = await startLogin(user, server.url)
      const target = new URL(url)
      const callback = `${target.searchParams.get('redirect_uri')}?code=evil&state=${target.searchParams.get('state')}`
      const page = await newPage()
      await page.goto(`${issuer.url}/.well-known/openid-configuration`)
      const outcome = await page.evaluate(`(async () => {
        const address = ${JSON.stringify(callback)}
        const image = new Promise((resolve) => {
          const element = new Image()
          element.onerror = () => resolve('refused')
          element.onload = () => resolve('loaded')
          element.src = address
        })
        const script = fetch(address).then(() => 'read', () => 'refused')
        return Promise.all([image, script])
      })()`)
      expect(outcome).toEqual(['refused', 'refused'])
      await page.goto(url)
      await answer(page, 'Yes')
      await answer(page, 'Yes')
      await page.waitForSelector('text=You are logged in')
      expect((await started.ended).code).toBe(0)
    })
  })

  describe("on the server's own pages", () => {
    let server: TestServer
    let page: Page
    beforeAll(async () => {
      server = await serve()
      page = await (await browser.newContext()).newPage()
    })
    afterAll(async () => {
      await page.context().close()
      await server.stop()
    })

    async function allow(): Promise<void> {
      await page.click('button[value=allow]')
      await page.waitForSelector('text=You are logged in')
    }

    test('the first password, and a login with it', async () => {
      await page.goto(setupLink(server))
      const name = await page.locator('input[name=username]').inputValue()
      await page.fill('#password', PASSWORD)
      await page.fill('#repeat', PASSWORD)
      await page.click('text=Set password')
      await page.waitForSelector('#password', { state: 'detached' })

      const user = newUser()
      const { started, url } = await startLogin(user, server.url)
      await page.goto(url)
      await page.fill('#login', name)
      await page.fill('#password', PASSWORD)
      await page.click('button[value=login]')
      await allow()
      await picture(page, 'own-issuer')
      expect((await started.ended).code).toBe(0)
      const who = await user.run(['whoami', '--format', '{{.Method}} {{.Organization}}'])
      expect([who.stderr, who.stdout]).toEqual(['', 'oauth default\n'])
    })

    test('a second login while logged in; the end of one is not the end of the other', async () => {
      const users = [newUser(), newUser()]
      for (const user of users) {
        const { started, url } = await startLogin(user, server.url)
        await page.goto(url)
        await allow()
        expect((await started.ended).code).toBe(0)
      }
      const [first, second] = users as [TestUser, TestUser]
      expect(await first.run(['logout'])).toMatchObject({
        code: 0,
        stderr: '✓ Successfully logged out (local)\n',
      })
      expect((await first.run(['whoami'])).code).toBe(4)
      expect((await second.run(['whoami'])).code).toBe(0)
      forgetAccessToken(second)
      expect((await second.run(['whoami'])).code).toBe(0)
    })

    test('a login that is denied', async () => {
      const user = newUser()
      const { started, url } = await startLogin(user, server.url)
      await page.goto(url)
      await page.click('button[value=deny]')
      await page.waitForSelector('text=The login was denied')
      expect((await started.ended).code).toBe(4)
    })

    test('a code, and 20 commands at once when the access token is gone', async () => {
      const user = newUser()
      const started = user.start(['login', '--server', server.url, '--device'])
      await page.goto(await started.says(/On any device, visit:\n\n(\S+)\n/))
      await page.fill('#code', await started.says(/enter the code:\n\n(\S+)\n/))
      await page.click('text=Continue')
      await page.click('button[name=confirm]')
      await page.click('button[value=allow]')
      expect((await started.ended).code).toBe(0)
      forgetAccessToken(user)
      const runs = Array.from({ length: 20 }, () => user.run(['whoami']))
      expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(20).fill(0))
    })
  })
})

/** Presses a button of the other issuer's pages, and waits for the page that it leads to. */
async function answer(page: Page, button: 'Yes' | 'No'): Promise<void> {
  const before = page.url()
  await page.click(`text=${button}`)
  await page.waitForURL((url) => url.href !== before)
}

function forgetAccessToken(user: TestUser): void {
  for (const { path } of user.files()) if (path.includes('/tokens/')) rmSync(path)
}

function setupLink(server: TestServer): string {
  const link = /works once: (\S+)/.exec(server.log())?.[1]
  if (link === undefined) throw new Error(`no setup link: ${server.log()}`)
  return link
}
