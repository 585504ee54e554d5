import { expect, it } from 'vitest'
import { Browser } from './browser.ts'
import { type OpenIssuer, openIssuer, PASSWORD } from './open-issuer.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

interface DeviceAnswer {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  readonly verification_uri_complete: string
  readonly expires_in: number
}

async function begin(open: OpenIssuer): Promise<DeviceAnswer> {
  const response = await fetch(`${open.issuer}/device/auth`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'imgctl',
      scope: 'openid profile email offline_access',
      resource: open.audience,
      audience: open.audience,
    }),
  })
  return (await response.json()) as DeviceAnswer
}

const poll = (open: OpenIssuer, { device_code: code }: DeviceAnswer) =>
  open.token({ grant_type: GRANT, client_id: 'imgctl', device_code: code, resource: open.audience })

it('connects a device by its code', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const device = await begin(open)
  expect(device).toMatchObject({ verification_uri: `${open.issuer}/device`, expires_in: 600 })
  expect(device.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  expect((await poll(open, device)).body.error).toBe('authorization_pending')
  const browser = new Browser()
  const page = await browser.get(device.verification_uri)
  // As people type it.
  const typed = device.user_code.toLowerCase().replace('-', ' ')
  const confirm = await browser.submit(page, { user_code: typed })
  expect(confirm.text).toContain(device.user_code)
  const login = await browser.submit(confirm, { confirm: 'yes' })
  const consent = await browser.submit(login, { action: 'login', login: 'alice', password: PASSWORD })
  expect(consent.text).toContain('on the device that showed you the code')
  expect((await poll(open, device)).body.error).toBe('authorization_pending')
  const done = await browser.submit(consent, { action: 'allow' })
  expect(done.text).toContain('Device connected')
  const { status, body } = await poll(open, device)
  expect(status).toBe(200)
  expect((await open.call('/users/me', body.access_token)).body).toMatchObject({ name: 'alice' })
  expect((await open.refresh(body.refresh_token)).status).toBe(200)
  expect((await poll(open, device)).body.error).toBe('invalid_grant')
})

it('fills in the code of a link, and still asks', async () => {
  const open = await openIssuer()
  const device = await begin(open)
  const page = await new Browser().get(device.verification_uri_complete)
  expect(page.text).toContain(`value="${device.user_code}"`)
  expect(page.text).not.toContain('<script')
  const evil = await new Browser().get(`${device.verification_uri}?user_code=%22%3E%3Cb%3Ex`)
  expect(evil.text).toContain('&quot;&gt;&lt;b&gt;x')
})

it('tells a device that it was refused', async () => {
  const open = await openIssuer()
  await open.addUser('alice')
  const browser = new Browser()
  const first = await begin(open)
  const confirm = await browser.submit(await browser.get(first.verification_uri_complete), {
    user_code: first.user_code,
  })
  const refused = await browser.submit(confirm, { abort: 'yes' })
  expect(refused.text).toContain('The device was not connected')
  expect((await poll(open, first)).body.error).toBe('access_denied')

  const second = await begin(open)
  const again = await browser.submit(await browser.get(second.verification_uri), {
    user_code: second.user_code,
  })
  const login = await browser.submit(again, { confirm: 'yes' })
  const denied = await browser.submit(login, { action: 'deny' })
  expect(denied.text).toContain('The device was not connected')
  expect((await poll(open, second)).body.error).toBe('access_denied')
})

it.each([
  ['that is none', 'XXXX-XXXX', 'There is no such code'],
  ['that is empty', '', 'Type the code'],
])('says of a code %s what is wrong', async (_, code, words) => {
  const open = await openIssuer()
  const browser = new Browser()
  const page = await browser.submit(await browser.get(`${open.issuer}/device`), { user_code: code })
  expect(page.text).toContain('role="alert"')
  expect(page.text).toContain(words)
})

it('takes no code from the form of another', async () => {
  const open = await openIssuer()
  const device = await begin(open)
  const browser = new Browser()
  const page = await browser.get(device.verification_uri)
  for (const xsrf of ['', 'wrong']) {
    const refused = await browser.submit(page, { user_code: device.user_code, confirm: 'yes', xsrf })
    expect(refused.text).not.toContain('Log in</h1>')
  }
  expect((await poll(open, device)).body.error).toBe('authorization_pending')
})
