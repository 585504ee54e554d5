import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Image } from '../../../src/contract/image.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { makeImage, pushTag, storeImage } from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
const one = makeImage({ seed: 'one' })
const two = makeImage({ seed: 'two' })

beforeEach(async () => {
  server = await openImages()
})
afterEach(() => server.close())

const post = (body: unknown, key?: string) =>
  server.call<Image & ApiError>('POST', '/images', { body, ...(key ? { key } : {}) })

const rows = async () => (await server.ctx.db.selectFrom('images').selectAll().execute()).length
const tags = () => server.ctx.db.selectFrom('tags').select(['tag', 'digest']).execute()

describe('what was pushed', () => {
  test('gets the name, and the tag in the same breath', async () => {
    await storeImage(server.ctx, server.acme, 'team/app', one)
    const { status, body } = await post({ name: 'team/app:1.0', digest: one.digest, labels: { a: 'b' } })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      name: 'team/app:1.0',
      reference: 'images.test:7700/acme/team/app:1.0',
      digest: one.digest,
      source: { kind: 'pushed' },
      state: 'pending',
      reason: null,
      errorReason: null,
      enabled: true,
      general: false,
      labels: { a: 'b' },
      visibility: 'private',
      createdBy: 'acme-user',
    })
    expect(await tags()).toEqual([{ tag: '1.0', digest: one.digest }])
  })

  test('same name and digest: the image that is there', async () => {
    await storeImage(server.ctx, server.acme, 'app', one)
    const first = await post({ name: 'app:1.0', digest: one.digest })
    const second = await post({ name: 'docker.io/library/app:1.0', digest: one.digest })
    expect(second).toEqual({ status: 200, body: first.body })
    expect(await rows()).toBe(1)
  })

  test('same name, other digest: 409 with the ways out, and nothing moves', async () => {
    await storeImage(server.ctx, server.acme, 'app', one)
    await storeImage(server.ctx, server.acme, 'app', two)
    await post({ name: 'app:1.0', digest: one.digest })
    const { status, body } = await post({ name: 'app:1.0', digest: two.digest })
    expect(status).toBe(409)
    expect(body.code).toBe('NAME_TAKEN')
    expect(body.message).toContain(one.digest)
    expect(body.hint).toMatch(/another name.*imgctl image delete app:1\.0.*app:1\.0@sha256:/)
    expect(await tags()).toEqual([{ tag: '1.0', digest: one.digest }])
  })

  test('a digest that was not pushed to that repository, or only by others, is refused', async () => {
    const other = await server.addOrganization('other')
    await storeImage(server.ctx, other, 'app', one)
    await storeImage(server.ctx, server.acme, 'elsewhere', one)
    const { status, body } = await post({ name: 'app:1.0', digest: one.digest })
    expect([status, body.code]).toEqual([404, 'NOT_FOUND'])
    expect(await rows()).toBe(0)
    expect(await tags()).toEqual([])
  })

  test('fields of a later request are taken over, and a failed image is tried again (W-50)', async () => {
    const quiet = makeImage({ run: {} })
    await storeImage(server.ctx, server.acme, 'app', quiet)
    server.startReconciler()
    const { body: first } = await post({ name: 'app:1.0', digest: quiet.digest })
    expect((await server.settled(first.id)).reason?.code).toBe('NO_ENTRYPOINT')
    const { body } = await post({ name: 'app:1.0', digest: quiet.digest, entrypoint: ['sleep', 'infinity'] })
    expect(body).toMatchObject({ id: first.id, state: 'pending', reason: null, errorReason: null })
    const active = await server.settled(first.id)
    expect(active).toMatchObject({ state: 'active', entrypoint: ['sleep', 'infinity'], reason: null })
  })

  test('an older client posts the whole reference that it pushed', async () => {
    await storeImage(server.ctx, server.acme, 'app', one)
    await pushTag(server.ctx, server.acme, 'app:1.0', one.digest)
    const { status, body } = await post({ name: 'images.test:7700/acme/app:1.0' })
    expect(status).toBe(200)
    expect(body).toMatchObject({ name: 'app:1.0', digest: one.digest, source: { kind: 'pushed' } })
    expect(await rows()).toBe(1)
  })
})

describe('what another registry has', () => {
  test('a name alone is the reference, as older clients have it', async () => {
    const { body } = await post({ name: 'debian:12.9' })
    expect(body).toMatchObject({
      name: 'debian:12.9',
      digest: null,
      source: { kind: 'registry', reference: 'docker.io/library/debian:12.9' },
      state: 'pending',
    })
  })

  test('a reference with a port, a digest, or latest gets a name of its own (W-10)', async () => {
    const pinned = `registry:5000/team/app@${one.digest}`
    for (const [index, [reference, whole]] of [
      ['registry:5000/a:1', 'registry:5000/a:1'],
      [pinned, pinned],
      ['nginx:latest', 'docker.io/library/nginx:latest'],
    ].entries()) {
      const { status, body } = await post({ name: `app:${index}`, source: { kind: 'registry', reference } })
      expect([status, body.source?.reference]).toEqual([200, whole])
    }
  })

  test('asked again: the same image; another reference: NAME_TAKEN', async () => {
    const source = { kind: 'registry', reference: 'ghcr.io/a/b:1' }
    const { body: first } = await post({ name: 'app:1.0', source })
    expect((await post({ name: 'app:1.0', source })).body).toEqual(first)
    const { status, body } = await post({
      name: 'app:1.0',
      source: { kind: 'registry', reference: 'ghcr.io/a/c:1' },
    })
    expect([status, body.code]).toEqual([409, 'NAME_TAKEN'])
    expect(body.message).toContain('ghcr.io/a/b:1')
  })
})

test.each([
  ['app', 'NAME_INVALID', /a tag is missing\napp\n {3}\^/],
  ['app:latest', 'NAME_INVALID', /'latest' moves.*\napp:latest\n {4}\^/],
  ['App:1.0', 'NAME_INVALID', /lowercase/],
  ['my app:1.0', 'NAME_INVALID', /no spaces/],
  ['registry:5000/app:1.0', 'NAME_INVALID', /no registry port/],
  [`app@${one.digest}`, 'NAME_INVALID', /not a digest/],
  ['app:_imgctl-x', 'NAME_INVALID', /kept for uploads/],
  ['', 'BAD_REQUEST', /name/],
])('the name %s is refused: %s', async (name, code, message) => {
  const { status, body } = await post({ name })
  expect([status, body.code]).toEqual([400, code])
  expect(body.message).toMatch(message)
  if (code === 'NAME_INVALID') expect(body.hint).toBeTruthy()
  expect(await rows()).toBe(0)
})

test.each([
  ['unknown fields (W-05)', { name: 'a:1', organizationId: 'x' }],
  ['an id of somebody else (W-05)', { name: 'a:1', id: 'x' }],
  ['general (W-08)', { name: 'a:1', general: true }],
  ['a bad digest', { name: 'a:1', digest: 'sha256:zz' }],
  ['another kind of source', { name: 'a:1', source: { kind: 'build' } }],
  ['a reference of what was pushed', { name: 'a:1', source: { kind: 'pushed', reference: 'b:1' } }],
  [
    'two digests',
    { name: 'a:1', digest: one.digest, source: { kind: 'registry', reference: `b@${two.digest}` } },
  ],
  ['an entrypoint that is not a list', { name: 'a:1', entrypoint: 'sleep infinity' }],
  ['no name', {}],
])('%s: 400, nothing is stored', async (_, body) => {
  const answer = await post(body)
  expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST'])
  expect(await rows()).toBe(0)
})

test('a source without tag and digest is refused with a caret', async () => {
  const { body } = await post({ name: 'app:1.0', source: { kind: 'registry', reference: 'ghcr.io/a/b' } })
  expect(body.code).toBe('NAME_INVALID')
  expect(body.message).toMatch(/a tag is missing\nghcr\.io\/a\/b\n +\^$/)
})

test('many at once for one name: one image, and one digest wins', async () => {
  await storeImage(server.ctx, server.acme, 'app', one)
  await storeImage(server.ctx, server.acme, 'app', two)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => post({ name: 'app:1.0', digest: (i % 2 ? one : two).digest })),
  )
  const accepted = answers.filter(({ status }) => status === 200)
  expect(accepted).toHaveLength(10)
  expect(new Set(accepted.map(({ body }) => `${body.id} ${body.digest}`)).size).toBe(1)
  expect(answers.filter(({ body }) => body.code === 'NAME_TAKEN')).toHaveLength(10)
  expect(await rows()).toBe(1)
})

test('the quota holds against requests at once, and failed images do not count (W-40)', async () => {
  const small = await server.addOrganization('small', ['write:images', 'read:images'], 3)
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      post({ name: `app:${i}`, source: { kind: 'registry', reference: 'a:1' } }, small.key),
    ),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
  expect(answers.filter(({ body, status }) => status === 403 && body.code === 'QUOTA_EXCEEDED')).toHaveLength(
    5,
  )
  expect(await rows()).toBe(3)

  await server.ctx.db.updateTable('images').set({ state: 'error' }).execute()
  expect(
    (await post({ name: 'more:1', source: { kind: 'registry', reference: 'a:1' } }, small.key)).status,
  ).toBe(200)
})

test('writing needs write:images', async () => {
  const reader = await server.addOrganization('reader', ['read:images'])
  const { status, body } = await post({ name: 'debian:12.9' }, reader.key)
  expect([status, body.code]).toEqual([403, 'FORBIDDEN'])
  expect(await rows()).toBe(0)
})
