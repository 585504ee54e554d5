import { expect, it } from 'vitest'
import { openServerUsers } from '../../../src/server/users.ts'
import { Browser } from './browser.ts'
import { allow, authorizationRequest, openIssuer, PASSWORD } from './open-issuer.ts'

const HOUR_MS = 3_600_000
const CHOSEN = { password: PASSWORD, repeat: PASSWORD }

it('lets the first administrator choose a password', async () => {
  const open = await openIssuer()
  const link = open.server.setupLink!
  expect(link.startsWith(`${open.issuer}/setup/`)).toBe(true)
  const browser = new Browser()
  const page = await browser.get(link)
  expect(page.url).toBe(`${open.issuer}/setup`)
  expect(page.text).toContain('administrator')
  const done = await browser.submit(page, CHOSEN)
  expect(done.text).toContain('Password set')
  expect(done.text).toContain(`imgctl login --server ${open.url}`)
  const end = await allow(new Browser(), authorizationRequest(open).url, 'administrator')
  expect(new URL(end.url).searchParams.get('code')).toBeTruthy()
  expect(open.logText()).not.toContain(link.split('/').at(-1))
})

it('says at a later password that API keys stay, and they do', async () => {
  const open = await openIssuer()
  const choose = async (link: string) => {
    const browser = new Browser()
    return (await browser.submit(await browser.get(link), CHOSEN)).text
  }
  expect(await choose(open.server.setupLink!)).not.toContain('on working')
  const { refresh_token, access_token } = await open.logIn('administrator')
  expect((await open.call('/users/me', access_token)).status).toBe(200)
  const users = openServerUsers({ dataDir: open.server.context.settings.dataDir })
  const { link, apiKeys } = await users.setupLink('administrator')
  expect(apiKeys).toBe(1)
  const done = await choose(link)
  expect(done).toContain('An API key goes on working.')
  expect(done).toContain('imgctl key revoke NAME')
  expect((await open.call('/users/me', open.key)).status).toBe(200)
  expect((await open.call('/users/me', access_token)).status).toBe(401)
  expect((await open.refresh(refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
  // One that has expired is none.
  await open.server.context.db.updateTable('api_keys').set({ expiresAt: 1 }).execute()
  expect((await users.setupLink('administrator')).apiKeys).toBe(0)
})

it('works once, in one of two browsers', async () => {
  const open = await openIssuer()
  const link = open.server.setupLink!
  const [one, two] = [new Browser(), new Browser()]
  const pages = [await one.get(link), await two.get(link)]
  const answers = await Promise.all([one.submit(pages[0]!, CHOSEN), two.submit(pages[1]!, CHOSEN)])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 410])
  const again = await new Browser().get(link)
  expect(again.status).toBe(410)
  expect(again.text).toContain('This link does not work')
  expect(again.text).toContain('imgctl serve user passwd')
})

it('ends after a day, and is not used up by looking', async () => {
  const open = await openIssuer()
  const link = open.server.setupLink!
  await fetch(link, { method: 'HEAD' })
  await new Browser().get(link)
  open.advance(23 * HOUR_MS)
  const browser = new Browser()
  const page = await browser.get(link)
  expect(page.status).toBe(200)
  open.advance(HOUR_MS)
  expect((await browser.submit(page, CHOSEN)).status).toBe(410)
  expect((await new Browser().get(link)).status).toBe(410)
})

it('takes no short password, no mistyped one and no form of others', async () => {
  const open = await openIssuer()
  const browser = new Browser()
  const page = await browser.get(open.server.setupLink!)
  const short = await browser.submit(page, { password: 'short', repeat: 'short' })
  expect([short.status, short.text.includes('Use at least 12 characters.')]).toEqual([422, true])
  const other = await browser.submit(page, { ...CHOSEN, repeat: `${PASSWORD}x` })
  expect([other.status, other.text.includes('The two are not the same.')]).toEqual([422, true])
  for (const csrf of ['', 'wrong']) {
    expect((await browser.submit(page, { ...CHOSEN, csrf })).status).toBe(403)
  }
  expect((await browser.submit(page, CHOSEN)).status).toBe(200)
})

it('shows nothing for a made-up link', async () => {
  const open = await openIssuer()
  for (const path of ['setup/AAAA', 'setup/%3Cscript%3E', 'setup']) {
    const page = await new Browser().get(`${open.issuer}/${path}`)
    expect(page.status).toBe(410)
    expect(page.text).not.toContain('<script')
  }
})

it('keeps the token out of the log, whatever became of the link on its way', async () => {
  const open = await openIssuer()
  const link = open.server.setupLink!
  for (const [method, url] of [
    ['GET', `${link}/`],
    ['GET', `${link}/more`],
    ['POST', link],
    ['DELETE', link],
  ] as const) {
    const answer = await fetch(url, { method })
    expect([method, answer.status]).toEqual([method, 410])
    expect(await answer.text()).toContain('This link does not work')
  }
  expect(open.logText()).toContain('/oidc/setup/*')
  expect(open.logText()).not.toContain(link.split('/').at(-1))
  expect((await new Browser().get(link)).status).toBe(200)
})
