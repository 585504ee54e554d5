import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { principalOfApiKey } from '../../../src/server/identity/principal.ts'
import { issuePushAccess } from '../../../src/server/identity/push-access.ts'
import { apiKey, basic, Client, serve, type TestServer, testContext } from '../registry-context.ts'

async function setup() {
  const ctx = await testContext()
  const server = await serve(ctx)
  return { ctx, server, key: await apiKey(ctx, 'acme') }
}

interface TokenAnswer {
  token: string
  access_token: string
  expires_in: number
  issued_at: string
  refresh_token?: string
}

async function getToken(server: TestServer, authorization: string | undefined, ...scopes: string[]) {
  const query = new URLSearchParams({ service: 'imgctl' })
  for (const scope of scopes) query.append('scope', scope)
  const response = await new Client(server, authorization).call('GET', `/api/registry/token?${query}`, 200)
  expect(response.headers.get('cache-control')).toBe('no-store')
  return (await response.json()) as TokenAnswer
}

function postToken(server: TestServer, form: Record<string, string>, status = 200) {
  return new Client(server).call('POST', '/api/registry/token', status, {
    body: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
}

test('a token is good for what it was asked for, and no more', async () => {
  const { server, key } = await setup()
  const answer = await getToken(server, basic(key), 'repository:acme/app:pull,push')
  expect(answer.access_token).toBe(answer.token)
  expect(answer.expires_in).toBe(900)
  const client = new Client(server, `Bearer ${answer.token}`)
  await client.call('GET', '/v2/', 200)
  const { digest } = await client.pushImage('acme/app', '1.0')
  const more = await client.call('DELETE', `/v2/acme/app/manifests/${digest}`, 401)
  expect(more.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
  expect(await client.refused('GET', '/v2/acme/second/tags/list', 401)).toBe('UNAUTHORIZED')
  expect(await client.refused('GET', '/v2/other/app/tags/list', 404)).toBe('NAME_UNKNOWN')
})

test.each([
  [['repository:acme/app:pull'], 'acme/app pull'],
  [['repository:acme/a:pull repository:acme/b:push'], 'acme/a pull, acme/b push'],
  [['repository:acme/a:pull', 'repository:acme/b:pull,push'], 'acme/a pull, acme/b pull+push'],
  [['repository:acme/app:*'], 'acme/app pull+push+delete'],
  [['repository(plugin):acme/app:pull'], 'acme/app pull'],
  [['repository:other/app:pull,push'], ''],
  [['registry:catalog:*'], 'catalog *'],
  [['registry:catalog:pull', 'registry:other:*'], ''],
  [['repository:app:pull', 'nonsense', 'repository:acme/APP:pull', 'repository:acme/app:fly'], ''],
  [[], ''],
])('the scopes %j grant %j', async (scopes, granted) => {
  const { server, key } = await setup()
  const { token } = await getToken(server, basic(key), ...scopes)
  const access = decodeJwt(token)['access'] as { name: string; actions: string[] }[]
  expect(access.map(({ name, actions }) => `${name} ${actions.join('+')}`).join(', ')).toBe(granted)
})

test('a token grants what the permissions allow', async () => {
  const { ctx, server } = await setup()
  const reader = await apiKey(ctx, 'acme', ['read:images'])
  const { token } = await getToken(server, basic(reader), 'repository:acme/app:pull,push,delete')
  expect(decodeJwt(token)['access']).toEqual([{ type: 'repository', name: 'acme/app', actions: ['pull'] }])
})

test('a push secret gives a token with its own limits', async () => {
  const { ctx, server, key } = await setup()
  const principal = await principalOfApiKey(ctx, key)
  const { secret } = await issuePushAccess(ctx, principal!, 'app', 'localhost')
  const scopes = ['repository:acme/app:*', 'repository:acme/second:pull']
  const { token } = await getToken(server, basic(secret), ...scopes)
  expect(decodeJwt(token)['access']).toEqual([
    { type: 'repository', name: 'acme/app', actions: ['pull', 'push'] },
  ])
  const client = new Client(server, `Bearer ${token}`)
  await client.pushImage('acme/app', '1.0')
  // Not even with another token: a challenge would only be asked again.
  expect(await client.refused('DELETE', '/v2/acme/app/manifests/1.0', 403)).toBe('DENIED')
  expect(await client.refused('GET', '/v2/acme/second/tags/list', 403)).toBe('DENIED')
})

test('only a token for the catalog lists it', async () => {
  const { ctx, server, key } = await setup()
  await new Client(server, basic(key)).pushImage('acme/app', '1.0')
  const list = async (authorization: string, scope: string) => {
    const { token } = await getToken(server, authorization, scope)
    return new Client(server, `Bearer ${token}`)
  }
  const other = await list(basic(key), 'repository:acme/second:pull')
  const refused = await other.call('GET', '/v2/_catalog', 401)
  const header = refused.headers.get('www-authenticate')
  expect(header).toContain('scope="registry:catalog:*",error="insufficient_scope"')
  const lister = await list(basic(key), 'registry:catalog:*')
  const answer = await lister.call('GET', '/v2/_catalog', 200)
  expect(await answer.json()).toEqual({ repositories: ['acme/app'] })
  expect(await lister.refused('GET', '/v2/acme/app/tags/list', 401)).toBe('UNAUTHORIZED')
  // Whose key may not read gets no such token, and is not asked for one again and again.
  const writer = await list(basic(await apiKey(ctx, 'acme', ['write:images'])), 'registry:catalog:*')
  expect(await (await writer.call('GET', '/v2/_catalog', 200)).json()).toEqual({ repositories: [] })
})

test('a mount asks for a token for both repositories', async () => {
  const { server, key } = await setup()
  const digest = await new Client(server, basic(key)).pushBlob('acme/base', 'layer')
  const path = `/v2/acme/app/blobs/uploads/?mount=${digest}&from=acme/base`
  const first = await getToken(server, basic(key), 'repository:acme/app:pull,push')
  const refused = await new Client(server, `Bearer ${first.token}`).call('POST', path, 401)
  const scope = /scope="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1] ?? ''
  expect(scope).toBe('repository:acme/app:pull,push repository:acme/base:pull')
  const second = await getToken(server, basic(key), scope)
  await new Client(server, `Bearer ${second.token}`).call('POST', path, 201)
})

test('without credentials a token opens public images only', async () => {
  const { ctx, server, key } = await setup()
  await new Client(server, basic(key)).pushImage('acme/app', '1.0')
  const scope = 'repository:acme/app:pull,push'
  const closed = await getToken(server, undefined, scope)
  expect(decodeJwt(closed.token)['access']).toEqual([])
  const client = new Client(server, `Bearer ${closed.token}`)
  await client.call('GET', '/v2/', 200)
  expect(await client.refused('GET', '/v2/acme/app/manifests/1.0', 401)).toBe('UNAUTHORIZED')
  await ctx.db.updateTable('images').set({ visibility: 'public' }).execute()
  const open = await getToken(server, undefined, scope)
  expect(decodeJwt(open.token)['access']).toEqual([
    { type: 'repository', name: 'acme/app', actions: ['pull'] },
  ])
  await new Client(server, `Bearer ${open.token}`).call('GET', '/v2/acme/app/manifests/1.0', 200)
})

test('wrong credentials give no token', async () => {
  const { server } = await setup()
  for (const authorization of [basic('img_wrong'), 'Basic x', 'Bearer x']) {
    expect(await new Client(server, authorization).refused('GET', '/api/registry/token', 401)).toBe(
      'UNAUTHORIZED',
    )
  }
  await postToken(server, { grant_type: 'password', password: 'wrong' }, 401)
})

test('a token ends after 15 minutes, and with its API key', async () => {
  const { ctx, server, key } = await setup()
  const { token } = await getToken(server, basic(key), 'repository:acme/app:pull')
  const client = new Client(server, `Bearer ${token}`)
  await client.call('GET', '/v2/', 200)
  ctx.advance(16 * 60_000)
  expect(await client.refused('GET', '/v2/', 401)).toBe('UNAUTHORIZED')
  ctx.advance(-16 * 60_000)
  await client.call('GET', '/v2/', 200)
  await ctx.db.deleteFrom('api_keys').execute()
  expect(await client.refused('GET', '/v2/', 401)).toBe('UNAUTHORIZED')
})

test('OAuth2: password, and a refresh token for those who ask', async () => {
  const { server, key } = await setup()
  const scope = 'repository:acme/app:pull,push'
  const form = {
    grant_type: 'password',
    service: 'imgctl',
    client_id: 'docker',
    username: 'me',
    password: key,
    scope,
  }
  const plain = (await (await postToken(server, form)).json()) as TokenAnswer
  expect(plain.refresh_token).toBeUndefined()
  const offline = (await (await postToken(server, { ...form, access_type: 'offline' })).json()) as TokenAnswer
  const again = {
    grant_type: 'refresh_token',
    service: 'imgctl',
    refresh_token: offline.refresh_token ?? '',
    scope,
  }
  const refreshed = (await (await postToken(server, again)).json()) as TokenAnswer
  await new Client(server, `Bearer ${refreshed.access_token}`).pushImage('acme/app', '1.0')
})

test.each([{ grant_type: 'magic' }, {}, { grant_type: 'password' }])(
  'the form %j is refused',
  async (form) => {
    const { server } = await setup()
    await postToken(server, form as Record<string, string>, 400)
  },
)

test('a body that is no form, and too many scopes', async () => {
  const { server, key } = await setup()
  const json = { body: '{}', headers: { 'content-type': 'application/json' } }
  const refused = await new Client(server).call('POST', '/api/registry/token', 400, json)
  expect(await refused.text()).toContain('UNSUPPORTED')
  const scopes = 'repository:acme/app:pull '.repeat(101)
  const query = new URLSearchParams({ scope: scopes })
  expect(await new Client(server, basic(key)).refused('GET', `/api/registry/token?${query}`, 400)).toBe(
    'UNSUPPORTED',
  )
})
