import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Permission } from '../../../src/contract/identity.ts'
import { OPERATIONS } from '../../../src/server/registry/routes.ts'
import { sha256 } from '../registry-context.ts'
import { type Operation, REGISTRY_ROWS, type Row } from './registry-rows.ts'
import { routesOf } from './route-table.ts'
import { KEY_PERMISSIONS, openWorld, type World } from './world.ts'

const PERMISSION: Readonly<Record<Row['action'], Permission>> = {
  pull: 'read:images',
  push: 'write:images',
  delete: 'delete:images',
}
let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('every operation of the protocol has a row, and every row an operation', () => {
  const operations = Object.entries(OPERATIONS).flatMap(([kind, methods]) =>
    Object.keys(methods).map((method) => `${kind} ${method}`),
  )
  expect(Object.keys(REGISTRY_ROWS).sort()).toEqual(operations.sort())
  const others = routesOf(world.app).filter((route) => /^GET \/v2|^(?:GET|POST) \/api\/registry/.test(route))
  expect(others.sort()).toEqual([
    'GET /api/registry/token',
    'GET /v2',
    'GET /v2/',
    'GET /v2/*',
    'GET /v2/_catalog',
    'POST /api/registry/token',
  ])
})

type Credentials = { readonly secret?: string; readonly bearer?: boolean }

async function send(method: string, name: string, operation: Operation, credentials: Credentials) {
  const { path, body, headers = {} } = operation
  const { secret, bearer } = credentials
  const authorization = bearer ? `Bearer ${secret}` : `Basic ${btoa(`x:${secret}`)}`
  const response = await fetch(`${world.url}/v2/${name}/${path}`, {
    method,
    headers: { ...(secret === undefined ? {} : { authorization }), ...headers },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  const code = text.startsWith('{"errors"') ? JSON.parse(text).errors[0].code : undefined
  return { status: response.status, code, text, headers: response.headers }
}

async function tryAs(method: string, { operation }: Row, credentials: Credentials) {
  const wanted = await operation(world)
  const before = await world.stored()
  const answer = await send(method, 'default/app', wanted, credentials)
  return { ...answer, changed: (await world.stored()) !== before }
}

async function token(scope: string, secret = world.key): Promise<string> {
  const headers = { authorization: `Basic ${btoa(`x:${secret}`)}` }
  const answer = await fetch(`${world.url}/api/registry/token?scope=${scope}`, { headers })
  return ((await answer.json()) as { token: string }).token
}

async function pushSecret(query = '', key = world.key): Promise<string> {
  const answer = await world.call('GET', `/api/docker-registry/registry-push-access${query}`, { key })
  return answer.as<{ secret: string }>().secret
}

const ACTIONS: Readonly<Record<Row['action'], string>> = { pull: 'pull', push: 'pull,push', delete: 'delete' }

describe.each(Object.entries(REGISTRY_ROWS))('%s', (name, row) => {
  const method = name.split(' ')[1]!
  const { action, ok } = row
  const refused = { changed: false }

  test('nobody, and credentials that are none: 401', async () => {
    for (const secret of [undefined, 'wrong', `img_${'A'.repeat(43)}`, 'x'.repeat(3000)]) {
      const answer = await tryAs(method, row, secret === undefined ? {} : { secret })
      expect(answer).toMatchObject({ ...refused, status: 401 })
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=/)
    }
  })

  test('a key that may do all but this: 403', async () => {
    const secret = await world.keyWith(KEY_PERMISSIONS.filter((each) => each !== PERMISSION[action]))
    expect(await tryAs(method, row, { secret })).toMatchObject({ ...refused, status: 403 })
  })

  test('a key that may do this and nothing else, as Basic and as Bearer', async () => {
    const secret = await world.keyWith([PERMISSION[action]])
    for (const bearer of [false, true]) {
      expect((await tryAs(method, row, { secret, bearer })).status).toBe(ok)
    }
  })

  test("another organization's administrator, its push secret and its token: 404 or 403", async () => {
    const status = action === 'pull' ? 404 : 403
    const theirs = await token(`repository:default/app:${ACTIONS[action]}`, world.stranger)
    for (const credentials of [
      { secret: world.stranger },
      { secret: await pushSecret('', world.stranger) },
      { secret: theirs, bearer: true },
    ]) {
      const answer = await tryAs(method, row, credentials)
      expect(answer).toMatchObject({ ...refused, status })
      // The same as for a repository that is not there.
      const absent = await send(method, 'default/none', await row.operation(world), credentials)
      expect([absent.status, absent.code]).toEqual([answer.status, answer.code])
    }
  })

  test('a token is good for its repository and its actions', async () => {
    const all = 'pull,push,delete'
    const others = all.split(',').filter((each) => each !== action && !(action === 'pull' && each === 'push'))
    for (const scope of [
      `repository:default/other:${all}`,
      `repository:default/app2:${all}`,
      `repository:default/app:${others}`,
      'repository:other/app:pull',
      '',
    ]) {
      const answer = await tryAs(method, row, { secret: await token(scope), bearer: true })
      expect([scope, answer.status, answer.changed]).toEqual([scope, 401, false])
    }
    const good = await token(`repository:default/app:${ACTIONS[action]}`)
    expect((await tryAs(method, row, { secret: good, bearer: true })).status).toBe(ok)
  })

  test('a push secret pulls and pushes, in its repository when it has one', async () => {
    for (const [query, allowed] of [
      ['', action !== 'delete'],
      ['?repository=app', action !== 'delete'],
      ['?repository=other', false],
    ] as const) {
      const { status, changed } = await tryAs(method, row, { secret: await pushSecret(query) })
      expect([query, status]).toEqual([query, allowed ? ok : 403])
      if (!allowed) expect(changed).toBe(false)
    }
  })
})

describe('through a repository of its own, another organization', () => {
  const stranger = () => ({ secret: world.stranger })

  test('does not see blobs and manifests that only `default` has', async () => {
    const { digest, layer } = await world.pushImage()
    await world.client(world.stranger).pushImage('other/app', '1.0', 'their own')
    for (const method of ['GET', 'HEAD']) {
      for (const path of [`blobs/${layer}`, `manifests/${digest}`]) {
        expect((await send(method, 'other/app', { path }, stranger())).status).toBe(404)
      }
    }
    expect((await send('GET', 'other/app', { path: `referrers/${digest}` }, stranger())).text).toContain(
      '"manifests":[]',
    )
  })

  test('does not mount them, with or without saying where they are', async () => {
    const { layer } = await world.pushImage()
    for (const from of ['', '&from=default/app', '&from=default%2Fapp', '&from=other/app']) {
      const path = `blobs/uploads/?mount=${layer}${from}`
      expect((await send('POST', 'other/app', { path }, stranger())).status).toBe(202)
    }
    expect((await send('HEAD', 'other/app', { path: `blobs/${layer}` }, stranger())).status).toBe(404)
  })

  test('does not reach an upload, nor does another repository of `default`', async () => {
    const location = await world.client(world.key).upload('default/app')
    const id = location.split('/').at(-1)!
    const before = await world.stored()
    for (const [name, secret] of [
      ['other/app', world.stranger],
      ['default/second', world.key],
    ] as const) {
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = `blobs/uploads/${id}${method === 'PUT' ? `?digest=${sha256('')}` : ''}`
        const body = method === 'PATCH' ? { body: 'stolen' } : {}
        const answer = await send(method, name, { path, ...body }, { secret })
        expect([name, method, answer.status, answer.code]).toEqual([name, method, 404, 'BLOB_UPLOAD_UNKNOWN'])
      }
    }
    expect(await world.stored()).toBe(before)
  })

  test('cannot make a manifest of parts that it does not have', async () => {
    const { digest } = await world.pushImage()
    const known = await world.client(world.key).call('GET', `/v2/default/app/manifests/${digest}`, 200)
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    const answer = await send(
      'PUT',
      'other/app',
      { path: 'manifests/stolen', body: await known.text(), headers },
      stranger(),
    )
    expect(answer.code).toBe('MANIFEST_BLOB_UNKNOWN')
    expect((await send('GET', 'other/app', { path: 'manifests/stolen' }, stranger())).status).toBe(404)
  })
})

describe('a mount of a blob that another repository of `default` has', () => {
  const target = 'repository:default/target:pull,push'
  const both = `${target} repository:default/app:pull`
  const bearer = async (scope: string, secret?: string) => ({
    secret: await token(encodeURIComponent(scope), secret),
    bearer: true,
  })
  /** Who asks; the answer without `from`, and with the repository that has it. */
  const ROWS: readonly [string, () => Promise<Credentials>, number, number][] = [
    ['a key', async () => ({ secret: world.key }), 201, 201],
    ['a key that may not read', async () => ({ secret: await world.keyWith(['write:images']) }), 202, 202],
    ['a key that may not write', async () => ({ secret: await world.keyWith(['read:images']) }), 403, 403],
    ['a push secret', async () => ({ secret: await pushSecret() }), 201, 201],
    [
      'a push secret of the target',
      async () => ({ secret: await pushSecret('?repository=target') }),
      202,
      202,
    ],
    ['a token for both', () => bearer(both), 201, 201],
    ['a token for the target', () => bearer(target), 202, 401],
    ['a token for the target and a third', () => bearer(`${target} repository:default/third:pull`), 202, 401],
    ['a token to delete there', () => bearer(`${target} repository:default/app:delete`), 202, 401],
    ['a token for the one that has it', () => bearer('repository:default/app:pull,push'), 401, 401],
    ['a token for nothing', () => bearer(''), 401, 401],
    [
      'a token of a key that may not read',
      async () => bearer(both, await world.keyWith(['write:images'])),
      202,
      202,
    ],
    ['a token of another organization', () => bearer(both, world.stranger), 403, 403],
    ['another organization', async () => ({ secret: world.stranger }), 403, 403],
    ['nobody', async () => ({}), 401, 401],
  ]

  test.each(ROWS)('%s', async (_, credentials, anywhere, named) => {
    const asked = await credentials()
    for (const [query, status] of [
      ['', anywhere],
      ['&from=default/app', named],
    ] as const) {
      const digest = await world.client(world.key).pushBlob('default/app', `mounted ${Math.random()}`)
      const answer = await send(
        'POST',
        'default/target',
        { path: `blobs/uploads/?mount=${digest}${query}` },
        asked,
      )
      const path = `blobs/${digest}`
      const linked = await send('HEAD', 'default/target', { path }, { secret: world.key })
      expect([query, answer.status, linked.status]).toEqual([query, status, status === 201 ? 200 : 404])
    }
  })
})

describe('the catalog', () => {
  const catalog = (credentials: Credentials) => send('GET', '..', { path: 'v2/_catalog' }, credentials)

  test("lists one's own organization", async () => {
    await world.pushImage()
    expect((await catalog({})).status).toBe(401)
    expect((await catalog({ secret: world.key })).text).toContain('default/app')
    const theirs = await catalog({ secret: world.stranger })
    expect([theirs.status, theirs.text.includes('default/')]).toEqual([200, false])
    const writer = await catalog({ secret: await world.keyWith(['write:images']) })
    expect(JSON.parse(writer.text)).toEqual({ repositories: [] })
    expect((await catalog({ secret: await token('repository:default/app:pull'), bearer: true })).status).toBe(
      401,
    )
  })
})

test('anonymous reads what is public, and writes nothing', async () => {
  const shown = await world.pushImage()
  const hidden = await world.pushImage()
  await world.call('PATCH', `/api/images/${shown.name}`, { body: { visibility: 'public' } })
  const status = async (method: string, path: string) =>
    (await send(method, 'default/app', { path }, {})).status
  for (const method of ['GET', 'HEAD']) {
    expect(await status(method, `manifests/${shown.digest}`)).toBe(200)
    expect(await status(method, `blobs/${shown.layer}`)).toBe(200)
    expect(await status(method, `manifests/${hidden.digest}`)).toBe(404)
    expect(await status(method, `blobs/${hidden.layer}`)).toBe(404)
  }
  const tags = await send('GET', 'default/app', { path: 'tags/list' }, {})
  expect(JSON.parse(tags.text).tags).toEqual([shown.name.split(':')[1]])
  for (const [method, path] of [
    ['PUT', `manifests/${shown.digest}`],
    ['DELETE', `manifests/${shown.digest}`],
    ['POST', 'blobs/uploads/'],
    ['DELETE', `blobs/${shown.layer}`],
  ] as const) {
    expect(await status(method, path)).toBe(401)
  }
  await world.call('PATCH', `/api/images/${shown.name}`, { body: { visibility: 'private' } })
  expect(await status('GET', `manifests/${shown.digest}`)).toBe(401)
})
