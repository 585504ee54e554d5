import { expect, test } from 'vitest'
import { rewriteImageUrl } from '../../../src/server/images/image-url.ts'

test.each([
  ['/api/images/app:1.0', '/api/images/app:1.0'],
  ['/api/images/team/app:1.0', '/api/images/team%2Fapp:1.0'],
  ['/api/images/a/b/c:1.0/events', '/api/images/a%2Fb%2Fc:1.0/events'],
  ['/api/images/a/b:1.0/toggle?x=/y:z', '/api/images/a%2Fb:1.0/toggle?x=/y:z'],
  ['/api/images/host:5000/org/app:1.0/retry', '/api/images/host:5000%2Forg%2Fapp:1.0/retry'],
  ['/api/images/team%2Fapp:1.0', '/api/images/team%2Fapp:1.0'],
  ['/api/images/0b2f/events', '/api/images/0b2f/events'],
  ['/api/images?name=a/b:1', '/api/images?name=a/b:1'],
  ['/api/api-keys/a/b:1', '/api/api-keys/a/b:1'],
  ['/v2/org/app/manifests/sha256:aa', '/v2/org/app/manifests/sha256:aa'],
  ['/api/images/a/b:1#x?y', '/api/images/a%2Fb:1#x?y'],
  ['/api/images/a:1/other', '/api/images/a:1/other'],
  ['/api/images/:/x', '/api/images/:/x'],
])('%s -> %s', (url, rewritten) => expect(rewriteImageUrl(url)).toBe(rewritten))

// A search that starts again at each colon would need minutes for the longest.
test.each([15_000, 400_000])('%i colons cost no more than reading them', (count) => {
  const colons = ':'.repeat(count)
  expect(rewriteImageUrl(`/api/images/${colons}/x`)).toBe(`/api/images/${colons}/x`)
  expect(rewriteImageUrl(`/api/images/a/${colons}1/events`)).toBe(`/api/images/a%2F${colons}1/events`)
})
