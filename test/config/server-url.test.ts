import { expect, test } from 'vitest'
import { parseServerUrl } from '../../src/config/server-url.ts'
import { isLoopback } from '../../src/internal/loopback.ts'

test.each([
  ['http://127.0.0.1:7700', 'http://127.0.0.1:7700'],
  ['https://images.example/', 'https://images.example'],
  ['https://images.example/api', 'https://images.example'],
  ['https://images.example/api/', 'https://images.example'],
  ['https://example/images/', 'https://example/images'],
  ['https://Images.Example:443', 'https://images.example'],
  ['images.example', 'https://images.example'],
  ['images.example:8443', 'https://images.example:8443'],
  ['127.0.0.1:7700', 'http://127.0.0.1:7700'],
  ['localhost:7700', 'http://localhost:7700'],
  ['[::1]:7700', 'http://[::1]:7700'],
])('%s is %s', (text, url) => expect(parseServerUrl(text)).toBe(url))

test.each(['', 'ftp://x', 'http://', 'https://user:s3cret@x', 'https://x?a=b', 'https://x#y', 'a b'])(
  '%j is refused, and not repeated',
  (text) => {
    expect(() => parseServerUrl(text)).toThrowError(
      expect.objectContaining({ code: 'USAGE', message: expect.not.stringContaining('s3cret') }),
    )
  },
)

test.each([
  ['http://127.0.0.1:1', true],
  ['http://127.1.2.3', true],
  ['https://localhost', true],
  ['http://[::1]:7700', true],
  ['http://127.0.0.1.evil.example', false],
  ['http://localhost.evil.example', false],
  ['https://10.0.0.1', false],
])('%s is loopback: %s', (server, is) => expect(isLoopback(server)).toBe(is))
