import { describe, expect, it } from 'vitest'
import type { Permission } from '../../../src/contract/identity.ts'
import { removeMembership, setMembership } from '../../../src/server/identity/memberships.ts'
import { createOrganization } from '../../../src/server/identity/organizations.ts'
import { removeUser, setUserEnabled } from '../../../src/server/identity/users.ts'
import { basic, Client } from '../registry-context.ts'
import { type OpenIssuer, openIssuer } from './open-issuer.ts'

async function openWithTeam(permissions: readonly Permission[] = ['read:images', 'write:images']) {
  const open = await openIssuer()
  const { db } = open.server.context
  // Later than the first organization.
  await createOrganization(db, 'team', 'The Team', { imageQuota: 10, now: Date.now() + 1000 })
  const userId = await open.addUser('alice', ['read:images'])
  await setMembership(db, userId, 'team', permissions)
  return { open, db, userId, tokens: await open.logIn('alice') }
}

const client = ({ server }: OpenIssuer, authorization: string) =>
  new Client({ url: server.url, port: server.port, close: async () => {} }, authorization)

async function pushAccess(open: OpenIssuer, token: string, organization = 'team'): Promise<string> {
  const headers = { 'x-imgctl-organization-id': organization }
  const { status, body } = await open.call<{ secret: string }>(
    '/docker-registry/registry-push-access',
    token,
    { headers },
  )
  if (status !== 200) throw new Error(`push access: ${status} ${JSON.stringify(body)}`)
  return body.secret
}

async function registryToken(open: OpenIssuer, authorization: string, repository: string): Promise<string> {
  const url = `${open.url}/api/registry/token?service=imgctl&scope=repository:${repository}:pull,push`
  const response = await fetch(url, { headers: { authorization } })
  return ((await response.json()) as { token: string }).token
}

describe('an access token', () => {
  it('chooses its organization by a header, by slug or id', async () => {
    const { open, tokens } = await openWithTeam()
    const list = await open.call<{ id: string; slug: string }[]>('/organizations', tokens.access_token)
    expect(list.body.map(({ slug }) => slug)).toEqual(['default', 'team'])
    const chosen = async (headers: Record<string, string>) =>
      (await open.call('/users/me', tokens.access_token, { headers })).body
    expect(await chosen({})).toMatchObject({
      organization: { slug: 'default' },
      permissions: ['read:images'],
    })
    const inTeam = { organization: { slug: 'team' }, permissions: ['read:images', 'write:images'] }
    expect(await chosen({ 'x-imgctl-organization-id': 'team' })).toMatchObject(inTeam)
    expect(await chosen({ 'x-imgctl-organization-id': list.body[1]!.id })).toMatchObject(inTeam)
    expect(await chosen({ 'x-daytona-organization-id': list.body[1]!.id })).toMatchObject(inTeam)
  })

  it('sees no organization that its user is not in', async () => {
    const { open, db, tokens } = await openWithTeam()
    await createOrganization(db, 'secret', 'Secret', { imageQuota: 10, now: Date.now() })
    for (const organization of ['secret', 'none']) {
      const headers = { 'x-imgctl-organization-id': organization }
      const answer = await open.call('/images', tokens.access_token, { headers })
      expect([answer.status, answer.body['code']]).toEqual([404, 'NOT_FOUND'])
      // What one is in can be listed all the same.
      expect((await open.call('/organizations', tokens.access_token, { headers })).status).toBe(200)
    }
  })

  it('of a user in no organization may do nothing', async () => {
    const open = await openIssuer()
    await open.addUser('alice', [])
    const { access_token: token } = await open.logIn('alice')
    const answer = await open.call('/images', token)
    expect([answer.status, answer.body['code'], answer.body['hint']]).toEqual([
      403,
      'FORBIDDEN',
      expect.stringContaining('imgctl serve user grant'),
    ])
    expect((await open.call('/organizations', token)).body).toEqual([])
  })

  it('may do what its user may, as a key may', async () => {
    const { open, tokens } = await openWithTeam()
    const token = tokens.access_token
    const answer = await open.call('/docker-registry/registry-push-access', token)
    expect([answer.status, answer.body['message']]).toEqual([
      403,
      'you lack the permission write:images in default',
    ])
    expect((await open.call('/docker-registry', token)).status).toBe(403)
  })

  it('makes, lists and revokes keys that can do no more than its user', async () => {
    const { open, tokens } = await openWithTeam()
    const post = (body: object) =>
      open.call<{ value: string }>('/api-keys', tokens.access_token, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-imgctl-organization-id': 'team' },
        body: JSON.stringify(body),
      })
    expect((await post({ name: 'too much', permissions: ['delete:images'] })).status).toBe(403)
    const made = await post({ name: 'ci', permissions: ['write:images'] })
    expect(made.status).toBe(201)
    expect((await open.call('/users/me', made.body.value)).body).toMatchObject({
      organization: { slug: 'team' },
      permissions: ['write:images'],
      keyName: 'ci',
    })
    const headers = { 'x-imgctl-organization-id': 'team' }
    const listed = await open.call<{ name: string }[]>('/api-keys', tokens.access_token, { headers })
    expect(listed.body.map(({ name }) => name)).toEqual(['ci'])
    expect((await open.call('/api-keys/current', tokens.access_token, { headers })).status).toBe(404)
    const gone = await open.call('/api-keys/ci', tokens.access_token, { method: 'DELETE', headers })
    expect(gone.status).toBe(204)
    expect((await open.call('/users/me', made.body.value)).status).toBe(401)
  })
})

describe('the registry', () => {
  it('takes the push access of a token, and the token itself as a password', async () => {
    const { open, tokens } = await openWithTeam()
    const secret = await pushAccess(open, tokens.access_token)
    await client(open, basic(secret)).pushImage('team/app', '1.0')
    const asUser = (name: string) =>
      `Basic ${Buffer.from(`${name}:${tokens.access_token}`).toString('base64')}`
    await client(open, asUser('team')).pushImage('team/app', '2.0', 'other')
    // Without a name that is one of the organizations, the first is meant: alice may only read there.
    await client(open, asUser('imgctl')).refused('POST', '/v2/default/app/blobs/uploads/', 403)
    await client(open, basic(secret)).refused('POST', '/v2/default/app/blobs/uploads/', 403)
  })

  it.each<[string, (open: OpenIssuer, userId: string, refresh: string) => Promise<unknown>]>([
    [
      'is logged out',
      (open, _, token) =>
        fetch(`${open.issuer}/revoke`, {
          method: 'POST',
          body: new URLSearchParams({ client_id: 'imgctl', token }),
        }),
    ],
    ['is disabled', ({ server }, id) => setUserEnabled(server.context.db, id, false, Date.now())],
    ['is removed', ({ server }, id) => removeUser(server.context.db, id)],
    ['left the organization', ({ server }, id) => removeMembership(server.context.db, id, 'team')],
    ['may only read now', ({ server }, id) => setMembership(server.context.db, id, 'team', ['read:images'])],
  ])('stops a push at the next request when the user %s', async (_, end) => {
    const { open, userId, tokens } = await openWithTeam()
    const secret = await pushAccess(open, tokens.access_token)
    const token = await registryToken(open, basic(secret), 'team/app')
    const callers = [basic(secret), `Bearer ${token}`, `Bearer ${tokens.access_token}`]
    const push = client(open, `Bearer ${token}`)
    await push.pushBlob('team/app', 'layer')
    const location = await push.upload('team/app')
    await push.call('PATCH', location, 202, { body: 'half' })
    await end(open, userId, tokens.refresh_token)
    expect([401, 403]).toContain((await patch(open, location, `Bearer ${token}`)).status)
    for (const authorization of callers) {
      const url = `${open.url}/v2/team/app/blobs/uploads/`
      const answer = await fetch(url, { method: 'POST', headers: { authorization } })
      expect([401, 403]).toContain(answer.status)
    }
  })

  it('stops a push at the next request when its API key is revoked, as docker login has it', async () => {
    const open = await openIssuer()
    await open.addUser('alice')
    const { access_token: token } = await open.logIn('alice')
    const made = await open.call<{ value: string }>('/api-keys', token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'laptop', permissions: ['read:images', 'write:images'] }),
    })
    const docker = basic(made.body.value)
    const bearer = `Bearer ${await registryToken(open, docker, 'default/app')}`
    await client(open, docker).pushImage('default/app', '1.0')
    const location = await client(open, bearer).upload('default/app')
    await open.call('/api-keys/laptop', token, { method: 'DELETE' })
    for (const authorization of [docker, bearer]) {
      expect((await patch(open, location, authorization)).status).toBe(401)
    }
  })
})

function patch(open: OpenIssuer, location: string, authorization: string): Promise<Response> {
  return fetch(new URL(location, open.url), { method: 'PATCH', headers: { authorization }, body: 'more' })
}
