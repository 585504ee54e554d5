import { expect, test } from 'vitest'
import {
  baseRegistries,
  credentialsByHost,
  encodeRegistryConfig,
  onlyLoopbackRegistries,
} from '../../../src/engine/build/registries.ts'
import type { BuildCredentials } from '../../../src/ports/engine-build.ts'
import { buildRequest } from './scripted-buildkit.ts'

const ALICE = { username: 'alice', password: 'p?>~~' }

const registriesOf = (...baseImages: string[]) => baseRegistries(buildRequest({ baseImages }))

test('the registries of FROM lines, each once', () => {
  expect(registriesOf('scratch', 'alpine:3', 'a.example/x', 'a.example/y:1', 'b.example:5000/z@no')).toEqual([
    'docker.io',
    'a.example',
  ])
  expect(baseRegistries(buildRequest())).toEqual([])
})

test('only they are asked for, and only what they have is sent', async () => {
  const asked: string[] = []
  const credentials: Record<string, BuildCredentials> = {
    'a.example': ALICE,
    'docker.io': { identityToken: 'token' },
    'foreign.example': ALICE,
  }
  const encoded = await encodeRegistryConfig(['a.example', 'b.example', 'docker.io'], async (host) => {
    asked.push(host)
    return credentials[host]
  })
  expect(asked).toEqual(['a.example', 'b.example', 'docker.io'])
  expect(encoded).toMatch(/^[\w-]+=*$/)
  expect(JSON.parse(Buffer.from(encoded, 'base64url').toString())).toEqual({
    'a.example': { ...ALICE, serveraddress: 'a.example' },
    'https://index.docker.io/v1/': { identitytoken: 'token', serveraddress: 'https://index.docker.io/v1/' },
  })
})

test('a host is asked for once, Docker Hub by one name', async () => {
  const asked: string[] = []
  const credentialsFor = credentialsByHost(
    buildRequest({
      credentialsFor: async (host) => {
        asked.push(host)
        return host === 'docker.io' ? ALICE : undefined
      },
    }),
  )
  const hosts = [
    'registry-1.docker.io',
    'index.docker.io',
    'docker.io',
    'x.example',
    'x.example',
    'x.example:443',
  ]
  expect(await Promise.all(hosts.map(credentialsFor))).toEqual([
    ALICE,
    ALICE,
    ALICE,
    undefined,
    undefined,
    undefined,
  ])
  expect(asked).toEqual(['docker.io', 'x.example', 'x.example:443'])
})

test('nobody has credentials when the request has none to give', async () => {
  expect(await credentialsByHost(buildRequest())('x.example')).toBeUndefined()
})

test.each([
  [['127.0.0.1:5000/x', 'localhost:5000/y', 'scratch'], true],
  [['127.0.0.1:5000/x', 'other.example/y'], false],
  [['other.example/y'], false],
  [['scratch'], false],
  [[], false],
])('plain HTTP for %s: %s', (baseImages, expected) => {
  expect(onlyLoopbackRegistries(buildRequest({ baseImages }))).toBe(expected)
})
