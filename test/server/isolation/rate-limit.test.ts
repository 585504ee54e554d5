import { expect, onTestFinished, test } from 'vitest'
import { openApp } from '../http/open-app.ts'

async function limited(requestsPerMinute: { key: number; address: number }) {
  const limits = { imageBytes: 1, imagesPerOrganization: 1, requestsPerMinute }
  const app = await openApp({ whole: true, settings: { limits } })
  onTestFinished(() => app.close())
  return app
}

test('the token endpoint counts an address, says when to come again, and speaks the protocol', async () => {
  const app = await limited({ key: 100, address: 2 })
  const ask = () => app.call('GET', '/api/registry/token', { key: null })
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 200])
  const refused = await ask()
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.as()).toMatchObject({ errors: [{ code: 'TOOMANYREQUESTS' }] })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const posted = await app.call('POST', '/api/registry/token', {
    key: null,
    body: 'grant_type=password',
    headers: form,
  })
  expect([posted.status, Number(posted.headers.get('retry-after')) > 0]).toEqual([429, true])
})

test('a key that is over its limit does not stop another one', async () => {
  const app = await limited({ key: 3, address: 1_000 })
  const body = { name: 'second', permissions: ['read:images'] }
  const { value } = (await app.call('POST', '/api/api-keys', { body })).as<{ value: string }>()
  const statuses: number[] = []
  for (let each = 0; each < 3; each++) statuses.push((await app.call('GET', '/api/users/me')).status)
  expect(statuses).toEqual([200, 200, 429])
  expect((await app.call('GET', '/api/users/me', { key: value })).status).toBe(200)
})

test('an IPv6 network counts as one address: its owner has 2^64 of them', async () => {
  const app = await limited({ key: 100, address: 2 })
  const from = (address: string) =>
    app.call('GET', '/api/health', { key: null, headers: { 'x-forwarded-for': address } })
  const statuses: number[] = []
  for (const address of [
    '2001:db8::1',
    '2001:db8::2',
    '2001:db8:0:0:1:2:3:4',
    '2001:db8:0:1::1',
    '192.0.2.1',
    '192.0.2.2',
  ])
    statuses.push((await from(address)).status)
  expect(statuses).toEqual([200, 200, 429, 200, 200, 200])
})
