import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { request } from 'undici'
import { describe, expect, test, vi } from 'vitest'
import {
  ForbiddenSourceError,
  guardedAgent,
  isAllowedHost,
  isPlainHttp,
  isPublicAddress,
} from '../../../src/server/images/upstream-guard.ts'

const lookups = vi.hoisted((): string[] => [])
const RECORDS: Readonly<Record<string, string[]>> = {
  'private.test': ['10.0.0.1'],
  'mixed.test': ['93.184.215.14', '10.0.0.1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'empty.test': [],
}

vi.mock('node:dns', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  lookup: (host: string, _: unknown, callback: (error: Error | null, found: unknown) => void) => {
    lookups.push(host)
    const first = lookups.filter((each) => each === host).length === 1
    const known = host === 'rebinding.test' ? (first ? ['93.184.215.14'] : ['127.0.0.1']) : RECORDS[host]
    callback(
      null,
      (known ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  },
}))

test.each([
  '127.0.0.1',
  '127.8.8.8',
  '0.0.0.0',
  '0.1.2.3',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '192.0.0.8',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8'.replace('8.8.8.8', '192.168.0.1'),
  '::127.0.0.1',
  '::7f00:1',
  '::8.8.8.8',
  '::808:808',
  '168.63.129.16',
  '::ffff:168.63.129.16',
  '::ffff:a83f:8110',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '2001:db8::1',
  '100::1',
  'not an address',
])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false))

test.each(['8.8.8.8', '93.184.215.14', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
  '%s is public',
  (address) => expect(isPublicAddress(address)).toBe(true),
)

test.each([
  [['registry.test'], 'registry.test', '443', true],
  [['Registry.test:5000'], 'registry.TEST', '5000', true],
  [['registry.test:5000'], 'registry.test', '443', false],
  [['registry.test'], 'registry.test.evil', '443', false],
  [['registry.test'], 'evil-registry.test', '443', false],
  [['[::1]:5000'], '::1', '5000', true],
  [['::1'], '::1', '5000', true],
  [[], 'registry.test', '443', false],
])('%j allows %s port %s: %s', (allowed, host, port, is) => {
  expect(isAllowedHost(allowed, host, port)).toBe(is)
})

test.each([
  [['127.0.0.1:5000'], '127.0.0.1:5000', undefined, true],
  [['localhost'], 'localhost:5000', undefined, true],
  [['[::1]:5000'], '[::1]:5000', undefined, true],
  [['127.0.0.1:5000'], '127.0.0.1:5000', true, false],
  [['registry.test'], 'registry.test', undefined, false],
  [['registry.test'], 'registry.test', false, true],
  [[], 'registry.test', false, false],
  [[], '127.0.0.1:5000', undefined, false],
])('%j: %s with an entry that says secure=%s is spoken to without TLS: %s', (allowed, domain, secure, is) => {
  expect(isPlainHttp(allowed, domain, secure)).toBe(is)
})

describe('a guarded connection', () => {
  const refusal = async (url: string) => {
    const agent = guardedAgent(['allowed.test'])
    try {
      return await request(url, { dispatcher: agent }).catch((error: unknown) => error)
    } finally {
      await agent.destroy()
    }
  }

  test.each([
    'https://private.test/',
    'https://mixed.test/',
    'https://mapped.test/',
    'https://empty.test/',
    'https://10.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:a00:1]/',
    'https://[::7f00:1]/',
    'https://[::8.8.8.8]/',
    'https://168.63.129.16/',
    'https://2130706433/',
    'https://0x7f.1/',
    'http://93.184.215.14/',
  ])('refuses %s', async (url) => {
    expect(await refusal(url)).toBeInstanceOf(ForbiddenSourceError)
  })

  test('asks for the name once: what was looked at is what is connected to', async () => {
    lookups.length = 0
    await refusal('https://private.test/')
    expect(lookups).toEqual(['private.test'])
  })

  test('goes to the address that was looked at, when the name has another one a moment later', async () => {
    let connections = 0
    const inside = createServer((socket) => {
      connections++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(inside, 'listening')
    const { port } = inside.address() as AddressInfo
    const agent = guardedAgent([])
    lookups.length = 0
    const signal = AbortSignal.timeout(1_000)
    const failed = request(`https://rebinding.test:${port}/`, { dispatcher: agent, signal })
    await expect(failed).rejects.toThrow()
    await agent.destroy()
    expect([lookups, connections]).toEqual([['rebinding.test'], 0])
    // The second question has the other answer, and that is refused.
    expect(await refusal(`https://rebinding.test:${port}/`)).toBeInstanceOf(ForbiddenSourceError)
    expect([lookups.length, connections]).toEqual([2, 0])
    inside.close()
  })

  test('does not tell which address a name has', async () => {
    expect(String(await refusal('https://private.test/'))).not.toContain('10.0.0.1')
  })
})
