import { describe, expect, test } from 'vitest'
import { parseEndpoint } from '../../src/engine/endpoint.ts'
import { isCode } from '../../src/errors/error.ts'

const TLS = { verify: true }

describe('an engine address', () => {
  test.each([
    [
      'unix:///run/docker.sock',
      { kind: 'socket', path: '/run/docker.sock', host: 'unix:///run/docker.sock' },
    ],
    ['/run/docker.sock', { kind: 'socket', path: '/run/docker.sock', host: 'unix:///run/docker.sock' }],
    ['unix://', { kind: 'socket', path: '/var/run/docker.sock', host: 'unix:///var/run/docker.sock' }],
    [
      'npipe:////./pipe/docker_engine',
      { kind: 'socket', path: '\\\\.\\pipe\\docker_engine', host: 'npipe:////./pipe/docker_engine' },
    ],
    [
      'npipe://\\\\.\\pipe\\podman',
      { kind: 'socket', path: '\\\\.\\pipe\\podman', host: 'npipe:////./pipe/podman' },
    ],
    ...[
      'npipe://',
      'npipe:////./pipe/docker_engine',
      'npipe:////.//pipe//docker_engine',
      'npipe:\\\\.\\pipe\\docker_engine',
      'npipe:////./pipe\\docker_engine',
      '\\\\.\\pipe\\docker_engine',
    ].map((text): [string, object] => [
      text,
      { kind: 'socket', path: '\\\\.\\pipe\\docker_engine', host: 'npipe:////./pipe/docker_engine' },
    ]),
    [
      'tcp://10.0.0.1',
      { kind: 'tcp', hostname: '10.0.0.1', port: 2375, basePath: '', host: 'tcp://10.0.0.1:2375' },
    ],
    ['localhost:2375', { kind: 'tcp', hostname: 'localhost', port: 2375, host: 'tcp://localhost:2375' }],
    ['tcp://[::1]:99/', { kind: 'tcp', hostname: '::1', port: 99, basePath: '', host: 'tcp://[::1]:99' }],
    ['http://proxy/engine/', { kind: 'tcp', port: 80, basePath: '/engine', host: 'http://proxy:80/engine' }],
    ['https://proxy', { kind: 'tcp', port: 443, tls: { verify: true } }],
    ['tcp://user:secret@h:1', { kind: 'tcp', hostname: 'h', host: 'tcp://h:1' }],
    ['ssh://me@far', { kind: 'ssh', hostname: 'far', user: 'me', host: 'ssh://me@far' }],
    [
      'ssh://far:2222/run/docker.sock',
      { kind: 'ssh', hostname: 'far', port: '2222', socketPath: '/run/docker.sock' },
    ],
  ])('%s', (text, expected) => {
    expect(parseEndpoint(text, 'DOCKER_HOST')).toMatchObject(expected)
  })

  test('with TLS has the TLS port', () => {
    expect(parseEndpoint('tcp://far', '--host', TLS)).toMatchObject({ port: 2376, tls: TLS })
  })

  test.each(['', 'fd://', 'tcp://', 'ftp://host', 'tcp://host:port', 'nonsense here'])('not %j', (text) => {
    expect(() => parseEndpoint(text, 'DOCKER_HOST')).toThrow(
      expect.toSatisfy((error) => isCode(error, 'USAGE') && error.message.startsWith('DOCKER_HOST ')),
    )
  })
})
