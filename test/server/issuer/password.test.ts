import { expect, it, vi } from 'vitest'
import { auditFailedLogin } from '../../../src/server/identity/login-audit.ts'
import * as password from '../../../src/server/identity/password.ts'
import { Browser } from './browser.ts'
import { authorizationRequest, type OpenIssuer, openIssuer, PASSWORD } from './open-issuer.ts'

const WRONG = 'not the password at all'
const MINUTE_MS = 60_000

async function attempt(open: OpenIssuer, login: string, typed: string, browser = new Browser()) {
  const page = await browser.get(authorizationRequest(open).url)
  return browser.submit(page, { action: 'login', login, password: typed })
}

it('answers a wrong password and an unknown user alike, with the same work', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const verify = vi.spyOn(password, 'verifyPassword')
  const [wrong, unknown] = [await attempt(open, 'alice', WRONG), await attempt(open, 'nobody', WRONG)]
  expect(verify.mock.calls.map(([, hash]) => hash === null)).toEqual([false, true])
  verify.mockRestore()
  for (const page of [wrong, unknown]) {
    expect(page.status).toBe(401)
    expect(page.text).toContain('role="alert"')
    expect(page.text).toContain('The user name or the password is wrong.')
    expect(page.text).not.toContain(WRONG)
  }
  const strip = (text: string) => text.replace(/value="[^"]*"/g, '')
  expect(strip(wrong.text)).toBe(strip(unknown.text))
  expect(open.logText()).not.toContain(WRONG)
})

it('derives a key for a user who has no password, and never accepts one', async () => {
  expect(await password.verifyPassword('', null)).toBe(false)
  const [one, two] = [await password.hashPassword(PASSWORD), await password.hashPassword(PASSWORD)]
  expect(one).toMatch(/^scrypt\$32768\$8\$3\$/)
  expect(one).not.toBe(two)
  expect(await password.verifyPassword(PASSWORD, one)).toBe(true)
  expect(await password.verifyPassword(`${PASSWORD} `, one)).toBe(false)
  // The same word, composed differently by two keyboards.
  const composed = await password.hashPassword('caf\u00e9 caf\u00e9 caf\u00e9')
  expect(await password.verifyPassword('cafe\u0301 cafe\u0301 cafe\u0301', composed)).toBe(true)
})

interface Entry {
  action: string
  target: string
  user: string | null
  address: string
  requestId: string
}

async function failures(open: OpenIssuer): Promise<Entry[]> {
  const { body } = await open.call<{ items: Entry[] }>('/audit?action=user.login-failed&limit=200', open.key)
  return body.items
}

it('tells the organizations of a wrong password for one of theirs, and nothing of what was typed', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  await open.addUser('loner', [])
  const unseen = await attempt(open, 'nobody', WRONG)
  await attempt(open, 'loner', WRONG)
  const page = await attempt(open, 'Alice ', WRONG)
  expect([unseen.status, page.status]).toEqual([401, 401])
  await expect.poll(() => failures(open)).toHaveLength(1)
  const [entry] = await failures(open)
  expect(entry).toMatchObject({ target: 'alice', user: null, address: '127.0.0.1' })
  expect(open.logText()).toContain(entry!.requestId)
  await open.logIn('alice')
  expect(await failures(open)).toHaveLength(1)
  const rows = await open.server.context.db.selectFrom('audit_log').selectAll().execute()
  expect(JSON.stringify(rows)).not.toContain(WRONG)
  expect(JSON.stringify(rows)).not.toContain('nobody')
})

it('writes down no more failures than it should, whoever tries', async () => {
  const open = await openIssuer()
  const { context } = open.server
  const users: { userId: string; login: string }[] = []
  for (let n = 0; n < 70; n++) users.push({ userId: await open.addUser(`user${n}`), login: `user${n}` })
  const request = { requestId: 'r', address: '192.0.2.1' }
  for (const user of users) await auditFailedLogin(context, user, request)
  expect(await failures(open)).toHaveLength(60)
  open.advance(15 * MINUTE_MS)
  await auditFailedLogin(context, users[0]!, request)
  expect(await failures(open)).toHaveLength(61)
})

it('makes who guesses wait, and tells how long', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  for (let tries = 0; tries < 10; tries++) expect((await attempt(open, 'alice', WRONG)).status).toBe(401)
  const refused = await attempt(open, 'alice', PASSWORD)
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(14 * 60)
  expect(refused.text).toContain('Try again in 15 minutes.')
  open.advance(15 * MINUTE_MS)
  expect((await attempt(open, 'alice', PASSWORD)).text).toContain('Allow imgctl?')
})

it('counts for the client behind a proxy that is named, and not for what it wrote itself', async () => {
  const open = await openIssuer({ trustedProxies: ['10.0.0.0/8'] })
  await open.addUser('alice')
  const { db, now } = open.server.context
  const guesser = { bucket: 'address:198.51.100.7', failures: 30, since: now() }
  await db.insertInto('login_failures').values(guesser).execute()
  const from = (forwarded: string) => new Browser(undefined, { 'x-forwarded-for': forwarded })
  const status = async (forwarded: string) => (await attempt(open, 'alice', WRONG, from(forwarded))).status
  expect(await status('198.51.100.7, 10.0.0.1')).toBe(429)
  expect(await status('9.9.9.9, 198.51.100.7, 10.1.0.1, 10.0.0.1')).toBe(429)
  expect(await status('198.51.100.7, 198.51.100.8, 10.0.0.1')).toBe(401)
  await expect.poll(() => failures(open)).toMatchObject([{ address: '198.51.100.8' }])
})

it('counts many attempts at once', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const answers = await Promise.all(Array.from({ length: 14 }, () => attempt(open, 'alice', WRONG)))
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(10)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(4)
})

it('lets a browser in that has logged in before, whoever guesses elsewhere', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  await open.addUser('bob')
  const known = new Browser()
  await open.logIn('alice', known)
  for (let tries = 0; tries < 11; tries++) await attempt(open, 'alice', WRONG)
  expect((await attempt(open, 'alice', PASSWORD)).status).toBe(429)
  const page = await known.submit(await known.get(authorizationRequest(open).url), { action: 'switch' })
  expect((await known.submit(page, { action: 'login', login: 'alice', password: PASSWORD })).status).toBe(200)
  // What proves that it knows alice says nothing about bob.
  for (let tries = 0; tries < 10; tries++) await attempt(open, 'bob', WRONG, new Browser())
  const other = await known.submit(await known.get(authorizationRequest(open).url), { action: 'switch' })
  expect((await known.submit(other, { action: 'login', login: 'bob', password: PASSWORD })).status).toBe(429)
})

it('stops one address that tries many users', async () => {
  const open = await openIssuer()
  const statuses: number[] = []
  for (let user = 0; user < 31; user++) statuses.push((await attempt(open, `user${user}`, WRONG)).status)
  expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401))
  expect(statuses[30]).toBe(429)
})

it('forgets the failures of who then typed it right', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  for (let round = 0; round < 2; round++) {
    for (let tries = 0; tries < 9; tries++) expect((await attempt(open, 'alice', WRONG)).status).toBe(401)
    expect((await attempt(open, 'alice', PASSWORD)).text).toContain('Allow imgctl?')
  }
})

it('does not let a disabled user in, and ends what they had', async () => {
  const open = await openIssuer()
  const userId = await open.addUser('alice')
  const tokens = await open.logIn('alice')
  const { setUserEnabled } = await import('../../../src/server/identity/users.ts')
  await setUserEnabled(open.server.context.db, userId, false, Date.now())
  expect((await attempt(open, 'alice', PASSWORD)).status).toBe(401)
  expect((await open.call('/users/me', tokens.access_token)).status).toBe(401)
  expect((await open.refresh(tokens.refresh_token)).body.error).toBe('invalid_grant')
  await setUserEnabled(open.server.context.db, userId, true, Date.now())
  expect((await attempt(open, 'alice', PASSWORD)).text).toContain('Allow imgctl?')
  expect((await open.refresh(tokens.refresh_token)).status).toBe(400)
})
