import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { savedImage, writeArchive } from '../archives.ts'
import { imgctl, serve, type TestServer } from '../program.ts'
import { CHROMIUM, type OpenChromium, openChromium } from './chromium.ts'
import { AUTHORIZATION_URL, newUser, type Started } from './user.ts'

const PASSWORD = 'correct horse battery'

/** The command line, the server's own issuer, and a browser between them: all three as they are shipped. */
describe.skipIf(CHROMIUM === undefined && process.env.CI !== 'true')('imgctl login at imgctl serve', () => {
  let server: TestServer
  let browser: OpenChromium

  beforeAll(async () => {
    server = await serve()
    browser = await openChromium()
    const data = ['--data', join(server.folder, 'data')]
    const permissions = ['--permission', 'read:images,write:images']
    await succeed(['serve', 'user', 'add', 'alice', ...permissions, ...data])
    await succeed(['serve', 'user', 'passwd', 'alice', '--password-stdin', ...data], PASSWORD)
  })
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  const succeed = async (args: readonly string[], input?: string) => {
    const { code, stderr } = await imgctl(args, input === undefined ? {} : { input })
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  }
  const logIn = async () => {
    const { page } = browser
    await page.getByLabel('User name').fill('alice')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Log in' }).click()
  }
  const allow = () => browser.page.getByRole('button', { name: 'Allow' }).click()
  const pageOf = ({ says, ended }: Started) =>
    Promise.race([
      says(AUTHORIZATION_URL),
      ended.then(({ stderr }): never => {
        throw new Error(`the login ended: ${stderr}`)
      }),
    ])

  it('logs in with a browser, works, and logs out', async () => {
    const user = newUser()
    const login = user.start(['login', '--server', server.url, '--web', '--no-browser'])
    await browser.page.goto(await pageOf(login))
    await logIn()
    await allow()
    await browser.page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
    await browser.screenshots('20-back-in-imgctl')
    const { code, stderr } = await login.ended
    expect([code, stderr]).toEqual([0, expect.stringContaining('Successfully logged in!')])

    const who = await user.run(['whoami', '--format', 'json'])
    expect(JSON.parse(who.stdout)).toMatchObject({ method: 'oauth' })
    const saved = await savedImage({ tag: 'from-alice:1.0' })
    const archive = await writeArchive(join(user.home, 'image.tar'), saved)
    const pushed = await user.run(['image', 'push', archive, '--name', 'from-alice:1.0'])
    expect([pushed.code, pushed.stdout]).toEqual([0, expect.stringMatching(/@sha256:[0-9a-f]{64}\n$/)])
    const made = await user.run(['key', 'create', 'ci', '--permission', 'read:images'])
    expect(made.code).toBe(0)
    const tooMuch = await user.run(['key', 'create', 'root', '--permission', 'admin'])
    expect([tooMuch.code, tooMuch.stderr]).toEqual([4, expect.stringContaining('cannot give')])

    expect((await user.run(['logout'])).code).toBe(0)
    expect((await user.run(['whoami'])).code).toBe(4)
    expect(server.log()).not.toContain(PASSWORD)
  })

  it('goes on after the server was killed in the middle of a login', async () => {
    const user = newUser()
    await browser.context.clearCookies()
    const login = user.start(['login', '--server', server.url, '--web', '--no-browser'])
    await browser.page.goto(await pageOf(login))
    await server.crash()
    await server.restart()
    await logIn()
    await server.crash()
    await server.restart()
    await allow()
    await browser.page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
    expect((await login.ended).code).toBe(0)
    await server.crash()
    await server.restart()
    expect((await user.run(['image', 'list'])).code).toBe(0)
  })

  it('says at the command line that the login was cancelled in the browser', async () => {
    const login = newUser().start(['login', '--server', server.url, '--web', '--no-browser'])
    await browser.page.goto(await pageOf(login))
    await browser.page.getByRole('button', { name: 'Cancel' }).click()
    const { code, stderr } = await login.ended
    expect([code, stderr]).toEqual([4, expect.stringContaining('error: ')])
  })

  it('logs in with a code', async () => {
    const user = newUser()
    await browser.context.clearCookies()
    const login = user.start(['login', '--server', server.url, '--device'])
    const code = await login.says(/([BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4})/)
    const { page } = browser
    await page.goto(`${server.url}/oidc/device`)
    await page.getByLabel('Code').fill(code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Yes, continue' }).click()
    await logIn()
    await allow()
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Device connected')
    expect((await login.ended).code).toBe(0)
    expect((await user.run(['image', 'list'])).code).toBe(0)
  })
})
