import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { sha256 } from './faulty-registry.ts'
import { faultyRegistry, openClient, rejection } from './open-client.ts'

const blob = Buffer.from('a blob')
const digest = sha256(blob)
const credentials = { identityToken: 'identity&token' }

interface Asked {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly form: Record<string, string>
}

/** A token server that keeps what it was asked. */
async function tokenServer(path = '/token') {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)))
    const { method = '', url = '', headers } = request
    asked.push({ method, url, authorization: headers.authorization, form })
    response.end(JSON.stringify({ access_token: 'access', expires_in: 300 }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { asked, realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}` }
}

/** A repository that wants tokens from `realm`. */
async function repositoryWithTokensFrom(realm: string) {
  const registry = await faultyRegistry()
  registry.blobs.set(digest, blob)
  registry.fault = ({ headers }) =>
    headers.authorization === 'Bearer access'
      ? undefined
      : { answer: 401, headers: { 'www-authenticate': `Bearer realm="${realm}",service="the registry"` } }
  return openClient().client.open({ ...registry.location, credentials })
}

test('an identity token is exchanged in the body of a POST, never shown in a URL', async () => {
  const { asked, realm } = await tokenServer()
  const repository = await repositoryWithTokensFrom(realm)
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  // https://distribution.github.io/distribution/spec/auth/oauth/
  expect(asked).toEqual([
    {
      method: 'POST',
      url: '/token',
      authorization: undefined,
      form: {
        grant_type: 'refresh_token',
        client_id: 'imgctl',
        service: 'the registry',
        scope: 'repository:team/app:pull',
        refresh_token: credentials.identityToken,
      },
    },
  ])
})

test.each([
  ['that looks like another host', '//tokens.test/token', '//tokens.test/token'],
  ['with a query of its own', '/token?tenant=1', '/token'],
])('an identity token goes to the host of the realm, whose path is one %s', async (_, path, url) => {
  const { asked, realm } = await tokenServer(path)
  const repository = await repositoryWithTokensFrom(realm)
  expect(await repository.blobSize(digest)).toBe(blob.byteLength)
  expect(asked).toMatchObject([{ method: 'POST', url, form: { refresh_token: credentials.identityToken } }])
})

test('an identity token is no use to a registry that asks for a password', async () => {
  const registry = await faultyRegistry()
  registry.fault = () => ({ answer: 401, headers: { 'www-authenticate': 'Basic realm="x"' } })
  const repository = openClient().client.open({ ...registry.location, credentials })
  expect(await rejection(repository.blobSize(digest))).toMatchObject({ code: 'AUTH_REQUIRED' })
  expect(registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
})
