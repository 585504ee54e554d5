import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { RegistryCredentials } from '../../src/ports/registry-credentials.ts'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'
import { requireTokens } from './tokens.ts'

const small = Buffer.from('small')
const blob = { digest: sha256(small), size: 5 }
const passwordOf = (authorization: string | undefined) =>
  Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64').toString()

/** A registry whose token server takes some passwords only, and credentials that end after `lifeMs`. */
async function setup(lifeMs: number, accepted: (password: string) => boolean) {
  const registry = await faultyRegistry()
  const tokens = requireTokens(registry, 0.2)
  const guarded = registry.fault
  registry.fault = (request) => {
    const password = passwordOf(request.headers.authorization).split(':')[1] ?? ''
    return request.path === '/token' && !accepted(password) ? { answer: 401 } : guarded(request)
  }
  const renewals: number[] = []
  const made = (): { credentials: RegistryCredentials; expiresAt: number } => ({
    credentials: { username: 'ada', password: `secret-${renewals.length}` },
    expiresAt: Date.now() + lifeMs,
  })
  const first = made()
  const { client } = openClient()
  const repository = client.open({
    ...registry.location,
    credentials: first.credentials,
    renewal: {
      expiresAt: first.expiresAt,
      renew: async () => {
        renewals.push(Date.now())
        return made()
      },
    },
  })
  return { registry, repository, renewals, tokens, startedAt: first.expiresAt - lifeMs }
}

test('credentials are renewed at 80 % of their life, once for all that wait', async () => {
  const { repository, renewals, tokens, startedAt } = await setup(500, () => true)
  await repository.writeBlob(blob, () => Readable.from([small]))
  expect(renewals).toEqual([])
  await new Promise((resolve) => setTimeout(resolve, 420))
  await Promise.all([repository.blobSize(blob.digest), repository.manifestDigest('1.0')])
  expect(renewals).toHaveLength(1)
  expect(renewals[0]! - startedAt).toBeGreaterThanOrEqual(400)
  expect(tokens.authorizations.map(passwordOf).at(-1)).toBe('ada:secret-1')
})

test('credentials that are refused before their time are renewed once', async () => {
  const { registry, repository, renewals } = await setup(3_600_000, (password) => password === 'secret-1')
  await repository.writeBlob(blob, () => Readable.from([small]))
  expect([renewals.length, registry.blobs.has(blob.digest)]).toEqual([1, true])
})

test('when the new ones are refused too, that is the error, and nobody is asked again and again', async () => {
  const { repository, renewals } = await setup(3_600_000, () => false)
  const writing = repository.writeBlob(blob, () => Readable.from([small]))
  expect(await rejection(writing)).toMatchObject({ code: 'AUTH_REQUIRED' })
  expect(renewals).toHaveLength(1)
})

test('Basic credentials that end in the middle are renewed too', async () => {
  const registry = await faultyRegistry()
  const { client } = openClient()
  let renewed = 0
  registry.fault = ({ headers, method }) => {
    const wanted = method === 'PATCH' ? 'ada:new' : /^ada:/
    const given = passwordOf(headers.authorization)
    const isIn = typeof wanted === 'string' ? given === wanted : wanted.test(given)
    return isIn ? undefined : { answer: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
  }
  const repository = client.open({
    ...registry.location,
    credentials: { username: 'ada', password: 'old' },
    renewal: {
      expiresAt: Date.now() + 3_600_000,
      renew: async () => {
        renewed++
        return { credentials: { username: 'ada', password: 'new' }, expiresAt: Date.now() + 3_600_000 }
      },
    },
  })
  await repository.writeBlob(blob, () => Readable.from([small]))
  expect([renewed, registry.blobs.has(blob.digest)]).toEqual([1, true])
})
