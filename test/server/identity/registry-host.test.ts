import { expect, it } from 'vitest'
import { ImgctlError } from '../../../src/errors/error.ts'
import { parseRegistryHost } from '../../../src/server/identity/registry-host.ts'

it.each([
  ['docker.io', 'docker.io', true],
  ['https://docker.io', 'docker.io', true],
  ['https://index.docker.io/v1/', 'docker.io', true],
  ['registry-1.docker.io', 'docker.io', true],
  ['registry.example.com', 'registry.example.com', true],
  ['Registry.Example.COM:5000', 'registry.example.com:5000', true],
  ['https://registry.example.com:443/', 'registry.example.com', true],
  ['http://registry.example.com', 'registry.example.com', false],
  ['registry:5000', 'registry:5000', true],
  ['localhost:5000', 'localhost:5000', false],
  ['127.0.0.1:5000', '127.0.0.1:5000', false],
  ['https://localhost:5000', 'localhost:5000', true],
  ['[::1]:5000', '[::1]:5000', false],
  ['ghcr.io/', 'ghcr.io', true],
  ['ghcr.io/v2/', 'ghcr.io', true],
])('reads %s', (text, host, secure) => {
  expect(parseRegistryHost(text)).toEqual({ host, secure })
})

it.each([
  '',
  ' ',
  'https://',
  'https:///x',
  'ftp://registry.example.com',
  'file:///etc/passwd',
  'ghcr.io/org',
  'https://user:pw@registry.example.com',
  'user@registry.example.com',
  'registry.example.com?x=1',
  'registry.example.com#x',
  'a b.example.com',
  'a\nb.example.com',
  'a\\b.example.com',
  'a%2eexample.com',
  'registry.example.com:99999',
  'registry:port',
  'registrу.example.com',
  ':5000',
])('refuses %j', (text) => {
  expect(() => parseRegistryHost(text)).toThrow(ImgctlError)
})
