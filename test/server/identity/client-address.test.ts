import { describe, expect, test } from 'vitest'
import { assertTrustedProxies } from '../../../src/server/identity/client-address.ts'

describe('what --trusted-proxy takes', () => {
  test.each(['10.0.0.5', '10.0.0.0/8', '127.0.0.1/32', '::1', 'fd00::/8', '2001:db8::1/128'])(
    '%s',
    (each) => {
      expect(() => assertTrustedProxies([each])).not.toThrow()
    },
  )

  test.each([
    '',
    'proxy.lan',
    'loopback',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/1e1',
    '10.0.0/24',
    '10.0.0.0/255.0.0.0',
    'fd00::/129',
    'fe80::1%eth0',
    '10.0.0.5:80',
  ])('not %j', (each) => {
    const message = `--trusted-proxy takes addresses and ranges of them, not ${JSON.stringify(each)}`
    expect(() => assertTrustedProxies(['10.0.0.1', each])).toThrow(
      expect.objectContaining({ code: 'USAGE', message }),
    )
  })

  test.each(['0.0.0.0/0', '::/0'])('not everybody: %s', (each) => {
    expect(() => assertTrustedProxies([each])).toThrow(
      expect.objectContaining({ code: 'USAGE', message: `--trusted-proxy ${each} would believe everybody` }),
    )
  })
})
