import { describe, expect, onTestFinished, test } from 'vitest'
import { type OpenApp, openApp } from '../http/open-app.ts'

const PROXIES = ['10.0.0.0/24', '192.0.2.80', '2001:db8:1::/48']

async function behind(trustedProxies: readonly string[], limits?: { key: number; address: number }) {
  const chosen = limits && {
    limits: { imageBytes: 1, imagesPerOrganization: 1, requestsPerMinute: limits },
  }
  const app = await openApp({ whole: true, settings: { trustedProxies, ...chosen } })
  onTestFinished(() => app.close())
  return app
}

function ask(
  app: OpenApp,
  sender: string,
  forwarded: string | undefined,
  extra: Record<string, string> = {},
) {
  const headers = { ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }), ...extra }
  return app.app.inject({ method: 'GET', url: '/api/config', remoteAddress: sender, headers })
}

async function addressSeen(sender: string, forwarded: string | undefined, proxies = PROXIES) {
  const app = await behind(proxies)
  const answer = await ask(app, sender, forwarded)
  const id = String(answer.headers['x-request-id'])
  const lines = app
    .logText()
    .split('\n')
    .filter((line) => line.includes(id) && line.includes('"answered"'))
  expect(lines).toHaveLength(1)
  return (JSON.parse(lines[0]!) as { address: string }).address
}

describe('who the client is', () => {
  test.each([
    ['a proxy that is named', '10.0.0.9', '198.51.100.7', '198.51.100.7'],
    ['one named alone', '192.0.2.80', '198.51.100.7', '198.51.100.7'],
    ['one with an IPv6 address', '2001:db8:1::5', '2001:DB8:9:0::1', '2001:db8:9::1'],
    ['one on a socket for both families', '::ffff:10.0.0.9', '198.51.100.7', '198.51.100.7'],
    ['one on this machine', '127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['what a client wrote before it', '10.0.0.9', '1.2.3.4, 198.51.100.7', '198.51.100.7'],
    ['a client that names a proxy', '10.0.0.9', '1.2.3.4, 10.0.0.1, 198.51.100.7', '198.51.100.7'],
    ['a chain of proxies', '127.0.0.1', '198.51.100.7, 192.0.2.80, 10.0.0.9', '198.51.100.7'],
    ['a chain with one that is not named', '10.0.0.9', '198.51.100.7, 192.0.2.81', '192.0.2.81'],
    ['nobody but proxies', '10.0.0.9', '10.0.0.1', '10.0.0.1'],
    ['a proxy that says nothing', '10.0.0.9', undefined, '10.0.0.9'],
    ['an address with a port', '10.0.0.9', '198.51.100.7:4711', '198.51.100.7'],
    ['an IPv6 address with a port', '10.0.0.9', '[2001:db8:9::1]:443', '2001:db8:9::1'],
    ['no address', '10.0.0.9', '<script>', '10.0.0.9'],
    ['an address as a number', '10.0.0.9', '2130706433', '10.0.0.9'],
    ['an IPv4 address in IPv6', '10.0.0.9', '::ffff:198.51.100.7', '198.51.100.7'],
    ['anybody else', '203.0.113.1', '198.51.100.7', '203.0.113.1'],
    ['the neighbour of a range', '10.0.1.1', '198.51.100.7', '10.0.1.1'],
    ['anybody else who names a proxy', '203.0.113.1', '10.0.0.9', '203.0.113.1'],
  ])('%s', async (_, sender, forwarded, client) => {
    expect(await addressSeen(sender, forwarded)).toBe(client)
  })

  test('only this machine is believed where none is named', async () => {
    expect(await addressSeen('10.0.0.9', '198.51.100.7', [])).toBe('10.0.0.9')
    expect(await addressSeen('::1', '198.51.100.7', [])).toBe('198.51.100.7')
  })
})

test('limits count the clients of a proxy one by one, and a forged header not at all', async () => {
  const app = await behind(PROXIES, { key: 100, address: 2 })
  const statuses = async (sender: string, forwarded: readonly string[]) => {
    const answers: number[] = []
    for (const each of forwarded) answers.push((await ask(app, sender, each)).statusCode)
    return answers
  }
  expect(await statuses('10.0.0.9', ['198.51.100.1', '198.51.100.1', '198.51.100.1'])).toEqual([
    200, 200, 429,
  ])
  expect(await statuses('10.0.0.9', ['198.51.100.2', '1.1.1.1, 198.51.100.2'])).toEqual([200, 200])
  expect(await statuses('10.0.0.9', ['9.9.9.9, 198.51.100.2'])).toEqual([429])
  expect(await statuses('203.0.113.1', ['1.1.1.1', '2.2.2.2', '3.3.3.3'])).toEqual([200, 200, 429])
})

test('the audit log has the client, and the scheme is that of a named proxy alone', async () => {
  const app = await behind(PROXIES)
  const post = (sender: string, name: string) =>
    app.app.inject({
      method: 'POST',
      url: '/api/api-keys',
      remoteAddress: sender,
      headers: { 'x-forwarded-for': '198.51.100.7', authorization: `Bearer ${app.key}` },
      payload: { name, permissions: ['read:images'] },
    })
  expect((await post('10.0.0.9', 'one')).statusCode).toBe(201)
  expect((await post('203.0.113.1', 'two')).statusCode).toBe(201)
  const { items } = (await app.call('GET', '/api/audit')).as<{
    items: { target: string; address: string }[]
  }>()
  expect(items.map(({ target, address }) => [target, address])).toEqual([
    ['two', '203.0.113.1'],
    ['one', '198.51.100.7'],
  ])
  const secure = async (sender: string) =>
    (await ask(app, sender, undefined, { 'x-forwarded-proto': 'https' })).json<{
      registry: { secure: boolean }
    }>().registry.secure
  expect([await secure('10.0.0.9'), await secure('203.0.113.1')]).toEqual([true, false])
})
