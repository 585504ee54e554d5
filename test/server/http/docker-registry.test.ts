import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DockerRegistry } from '../../../src/contract/docker-registry.ts'
import type { ApiKey, Permission } from '../../../src/contract/identity.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { upstreamCredentials } from '../../../src/server/identity/registry-credentials.ts'
import { addUser, type OpenApp, openApp } from './open-app.ts'

const PASSWORD = 'correct horse battery staple'
const ROOT = '/api/docker-registry'
let app: OpenApp
let next = 0

beforeAll(async () => {
  app = await openApp()
})
afterAll(() => app.close())

async function add(more: Record<string, unknown> = {}, key = app.key): Promise<DockerRegistry> {
  const name = `registry ${++next}`
  const body = { name, url: `host-${next}.example.com`, username: 'robot', password: PASSWORD, ...more }
  const answer = await app.call('POST', ROOT, { key, body })
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining(name)])
  return answer.as<DockerRegistry>()
}

async function organizationOf(slug: string): Promise<string> {
  const query = app.ctx.db.selectFrom('organizations').select('id').where('slug', '=', slug)
  return (await query.executeTakeFirstOrThrow()).id
}

describe('/docker-registry', () => {
  it('keeps a registry, newest first, and finds it again', async () => {
    const older = await add({ project: 'team' })
    app.advance(1)
    const newer = await add()
    expect(older).toMatchObject({ project: 'team', registryType: 'organization', isDefault: false })
    const listed = (await app.call('GET', ROOT)).as<DockerRegistry[]>()
    expect(listed.slice(0, 2)).toEqual([newer, older])
    expect((await app.call('GET', `${ROOT}/${older.id}`)).as<DockerRegistry>()).toEqual(older)
  })

  it('deletes one', async () => {
    const { id } = await add()
    expect((await app.call('DELETE', `${ROOT}/${id}`)).status).toBe(204)
    expect((await app.call('GET', `${ROOT}/${id}`)).as<ApiError>()).toMatchObject({ code: 'NOT_FOUND' })
    expect((await app.call('DELETE', `${ROOT}/${id}`)).status).toBe(404)
  })

  it('never lets a password out, and stores it sealed', async () => {
    const { id, url } = await add()
    const answers = [
      await app.call('GET', ROOT),
      await app.call('GET', `${ROOT}/${id}`),
      await app.call('PATCH', `${ROOT}/${id}`, { body: { username: 'other', password: `${PASSWORD}!` } }),
      await app.call('POST', `${ROOT}/${id}/set-default`),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const rows = JSON.stringify(await app.ctx.db.selectFrom('registries').selectAll().execute())
    const everything = answers.map(({ text }) => text).join('') + rows + app.logText()
    expect(everything).not.toContain(PASSWORD)
    expect(everything).not.toMatch(/"password"/)
    const credentials = await upstreamCredentials(app.ctx, await organizationOf('default'), url)
    expect(credentials).toEqual({ username: 'other', password: `${PASSWORD}!`, secure: true })
  })

  it('changes what it is told to, the url too', async () => {
    const { id } = await add()
    const body = { url: 'http://mirror.example.com:5000', project: 'p', password: 'new' }
    const changed = (await app.call('PATCH', `${ROOT}/${id}`, { body })).as<DockerRegistry>()
    expect(changed).toMatchObject({ url: 'mirror.example.com:5000', project: 'p', username: 'robot' })
    const found = await upstreamCredentials(app.ctx, await organizationOf('default'), changed.url)
    expect(found).toEqual({ username: 'robot', password: 'new', secure: false })
  })

  it('sends a stored password to no new address', async () => {
    const { id, url } = await add()
    for (const target of ['evil.example.com', `http://${url}`]) {
      const answer = await app.call('PATCH', `${ROOT}/${id}`, { body: { url: target } })
      expect(answer.as<ApiError>()).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' })
    }
    expect((await app.call('PATCH', `${ROOT}/${id}`, { body: { url } })).status).toBe(200)
  })

  it('gives credentials to exactly their host', async () => {
    const { url } = await add()
    const organization = await organizationOf('default')
    for (const host of [`${url}.evil.test`, `sub.${url}`, `${url}:5000`, url.slice(0, -1)]) {
      expect(await upstreamCredentials(app.ctx, organization, host)).toBeUndefined()
    }
    const { key } = await addUser(app.ctx.db, 'stranger', ['admin'])
    expect(key).toBeTruthy()
    expect(await upstreamCredentials(app.ctx, await organizationOf('stranger'), url)).toBeUndefined()
  })

  it('has one default in each organization, whatever another one does', async () => {
    const { key } = await addUser(app.ctx.db, 'neighbour', ['admin'])
    const theirs = await add({ isDefault: true }, key)
    const first = await add({ isDefault: true })
    const second = await add()
    await app.call('POST', `${ROOT}/${second.id}/set-default`)
    const isDefault = async (id: string, as: string) =>
      (await app.call('GET', `${ROOT}/${id}`, { key: as })).as<DockerRegistry>().isDefault
    expect([await isDefault(first.id, app.key), await isDefault(second.id, app.key)]).toEqual([false, true])
    expect(await isDefault(theirs.id, key)).toBe(true)
  })

  it('does not know the registries of another organization', async () => {
    const { id } = await add()
    const { key } = await addUser(app.ctx.db, 'foreign', ['admin'])
    expect((await app.call('GET', ROOT, { key })).as<DockerRegistry[]>()).toEqual([])
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'mine now' }],
      ['DELETE', '', undefined],
      ['POST', '/set-default', undefined],
    ] as const) {
      const answer = await app.call(method, `${ROOT}/${id}${path}`, { key, body })
      expect(answer.as<ApiError>()).toMatchObject({ statusCode: 404, code: 'NOT_FOUND' })
    }
    expect((await app.call('GET', `${ROOT}/${id}`)).as<DockerRegistry>().name).not.toBe('mine now')
  })

  it.each([
    { organizationId: 'other' },
    { id: 'chosen' },
    { registryType: 'internal' },
    { url: '' },
    { url: 'https://user:pw@registry.example.com' },
    { name: '' },
    { username: 7 },
    { isDefault: 'true' },
  ])('refuses %j', async (wrong) => {
    const before = (await app.call('GET', ROOT)).as<DockerRegistry[]>()
    const body = { name: 'x', url: 'x.example.com', username: 'u', password: PASSWORD, ...wrong }
    const answer = await app.call('POST', ROOT, { body })
    expect(answer.as<ApiError>()).toMatchObject({ statusCode: 400, code: 'BAD_REQUEST' })
    expect((await app.call('GET', ROOT)).as<DockerRegistry[]>()).toEqual(before)
  })

  it('refuses a second one of the same name or address', async () => {
    const { name, url } = await add()
    const body = { name: 'another', url: 'another.example.com', username: 'u', password: 'p' }
    for (const same of [{ name }, { url: `https://${url.toUpperCase()}/v2/` }]) {
      const answer = await app.call('POST', ROOT, { body: { ...body, ...same } })
      expect(answer.as<ApiError>()).toMatchObject({ statusCode: 409, code: 'CONFLICT' })
    }
  })

  it.each([
    ['GET', '', 'read:registries'],
    ['GET', '/id', 'read:registries'],
    ['POST', '', 'write:registries'],
    ['PATCH', '/id', 'write:registries'],
    ['POST', '/id/set-default', 'write:registries'],
    ['DELETE', '/id', 'delete:registries'],
    ['GET', '/registry-push-access', 'write:images'],
  ] as const)('%s %s needs %s', async (method, path, needed) => {
    const all: Permission[] = [
      'read:images',
      'write:images',
      'read:registries',
      'write:registries',
      'delete:registries',
    ]
    const body = { name: `${method} ${path} without it`, permissions: all.filter((each) => each !== needed) }
    const { value } = (await app.call('POST', '/api/api-keys', { body })).as<ApiKey>()
    const answer = await app.call(method, ROOT + path, { key: value })
    expect(answer.as<ApiError>()).toMatchObject({
      statusCode: 403,
      code: 'FORBIDDEN',
      message: expect.stringContaining(needed),
    })
  })
})
