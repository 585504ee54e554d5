import { expect, test } from 'vitest'
import { pushFailure } from '../../src/engine/push-failure.ts'
import type { ErrorCode } from '../../src/errors/codes.ts'

const HEAD = 'failed to do request: Head "https://127.0.0.1:1/v2/x/a/blobs/sha256:00": '
const PODMAN = 'trying to reuse blob sha256:00 at destination: pinging container registry 127.0.0.1:1: '
const CONTAINERD = 'push access denied, repository does not exist or may require authorization: '

/** What Docker 20.10 (classic), Docker 28.5 (containerd) and Podman 4.3 said when it was done to them. */
test.each<[string, ErrorCode]>([
  ['Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 'REGISTRY_UNREACHABLE'],
  [`${HEAD}dial tcp 127.0.0.1:1: connect: connection refused`, 'REGISTRY_UNREACHABLE'],
  [`${PODMAN}Get "http://127.0.0.1:1/v2/": dial tcp: connect: connection refused`, 'REGISTRY_UNREACHABLE'],
  [
    'Get "https://h.invalid/v2/": dial tcp: lookup h.invalid on 10.0.0.1:53: no such host',
    'REGISTRY_UNREACHABLE',
  ],
  [`${PODMAN}Get "https://r/v2/": http: server gave HTTP response to HTTPS client`, 'REGISTRY_UNREACHABLE'],
  ['Get "https://r/v2/": x509: certificate signed by unknown authority', 'REGISTRY_UNREACHABLE'],
  [`${HEAD}tls: failed to verify certificate: x509: certificate has expired`, 'REGISTRY_UNREACHABLE'],
  ['Get "https://r/v2/": net/http: TLS handshake timeout', 'REGISTRY_UNREACHABLE'],
  [
    'Put "http://r/v2/x": write tcp 1.2.3.4:5->1.2.3.4:6: write: connection reset by peer',
    'REGISTRY_UNREACHABLE',
  ],
  ['Patch "http://r/v2/x": EOF', 'REGISTRY_UNREACHABLE'],
  ['write tcp 1.2.3.4:5->1.2.3.4:6: use of closed network connection', 'REGISTRY_UNREACHABLE'],
  ['no basic auth credentials', 'AUTH_REQUIRED'],
  ['unauthorized: authentication required', 'AUTH_REQUIRED'],
  [`${CONTAINERD}authorization failed: no basic auth credentials`, 'AUTH_REQUIRED'],
  ['unknown: unexpected status from HEAD request to http://r/v2/x: 401 Unauthorized', 'AUTH_REQUIRED'],
  ['denied: requested access to the resource is denied', 'FORBIDDEN'],
  [`${CONTAINERD}insufficient_scope: authorization failed`, 'FORBIDDEN'],
  ['unexpected status from PUT request to http://r/v2/x: 403 Forbidden', 'FORBIDDEN'],
  ['trying to reuse blob: failed to read from destination repository a/b: 403 (Forbidden)', 'FORBIDDEN'],
  ['open /var/lib/docker/overlay2/x: permission denied', 'ENGINE_ERROR'],
  ['received unexpected HTTP status: 413 Request Entity Too Large', 'TOO_LARGE'],
  [
    'error parsing HTTP 413 response body: invalid character \'<\' looking for beginning of value: "<html>413"',
    'TOO_LARGE',
  ],
  ['uploading layer to http://r/v2/x: 502 (Bad Gateway)', 'REGISTRY_ERROR'],
  ['toomanyrequests: slow down', 'RATE_LIMITED'],
  ['write /var/lib/docker/tmp/x: no space left on device', 'DISK_FULL'],
  ['An image does not exist locally with the tag: r/app', 'IMAGE_NOT_FOUND'],
  ['tag does not exist: r/app:1', 'IMAGE_NOT_FOUND'],
  ['received unexpected HTTP status: 502 Bad Gateway', 'REGISTRY_ERROR'],
  ['received unexpected HTTP status: 500 Internal Server Error', 'REGISTRY_ERROR'],
  ['unexpected status from POST request to http://r/v2/x/blobs/uploads/: 404 Not Found', 'REGISTRY_ERROR'],
  ['manifest invalid: manifest invalid', 'REGISTRY_ERROR'],
  ['something new', 'ENGINE_ERROR'],
])('%s', (message, code) => {
  const error = pushFailure('r.example', message)
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
  expect(error.message).toContain('r.example')
})

test('what may pass is retried, what will not is not', () => {
  expect(pushFailure('r', 'received unexpected HTTP status: 503 Service Unavailable').retryable).toBe(true)
  expect(pushFailure('r', 'dial tcp: connect: connection refused').retryable).toBe(false)
  expect(pushFailure('r', 'denied').retryable).toBe(false)
})

test('an engine that cannot reach the registry is not the end', () => {
  expect(pushFailure('r', 'dial tcp: lookup r: no such host').hint).toContain('--via direct')
})
