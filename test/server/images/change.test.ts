import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Image, ImageEvent } from '../../../src/contract/image.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { makeImage, pushTag, storeImage } from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
let image: Image
const one = makeImage()

beforeEach(async () => {
  server = await openImages()
  await storeImage(server.ctx, server.acme, 'team/app', one)
  await pushTag(server.ctx, server.acme, 'team/app:1.0', one.digest)
  image = (await server.call('GET', '/images/team/app:1.0')).body
})
afterEach(() => server.close())

const set = (changes: object) => server.ctx.db.updateTable('images').set(changes).execute()
const call = <T = Image & ApiError>(...[method, path, options]: Parameters<OpenImages['call']>) =>
  server.call<T>(method, path, options)

describe('one image', () => {
  test.each([
    'team/app:1.0',
    'team%2Fapp:1.0',
    'team%2Fapp%3A1.0',
    'images.test:7700/acme/team/app:1.0',
    'docker.io/team/app:1.0',
  ])('is found as %s', async (name) => {
    const { status, body } = await call('GET', `/images/${name}`)
    expect([status, body.id]).toEqual([200, image.id])
  })

  test('is found by its id', async () => {
    expect((await call('GET', `/images/${image.id}`)).body).toEqual(image)
    expect((await call('GET', `/images/${image.id.toUpperCase()}`)).body).toEqual(image)
  })

  test.each([randomUUID(), 'team/app:2.0', 'nothing', 'not valid:x', '%25'])(
    '%s is not there',
    async (name) => {
      const { status, body } = await call('GET', `/images/${name}`)
      expect([status, body.code]).toEqual([404, 'IMAGE_NOT_FOUND'])
      expect(body.hint).toBeTruthy()
    },
  )
})

describe('fields that are too large', () => {
  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']))

  test.each([
    ['a label key', { labels: { ['k'.repeat(129)]: 'v' } }, { labels: { ['k'.repeat(128)]: 'v' } }],
    ['a label', { labels: { k: 'v'.repeat(1025) } }, { labels: { k: 'v'.repeat(1024) } }],
    ['so many labels', { labels: labels(65) }, { labels: labels(64) }],
    ['an argument', { entrypoint: ['a'.repeat(4097)] }, { entrypoint: ['a'.repeat(4096)] }],
  ])('%s: refused by PATCH and POST, and nothing is changed', async (_, tooLarge, largest) => {
    const create = { name: 'team/app:2.0', digest: one.digest, ...tooLarge }
    for (const answer of [
      await call('PATCH', `/images/${image.id}`, { body: tooLarge }),
      await call('POST', '/images', { body: create }),
    ]) {
      expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST'])
    }
    expect((await call('GET', `/images/${image.id}`)).body).toEqual(image)
    expect((await call('GET', '/images/team/app:2.0')).status).toBe(404)
    const { status, body } = await call('PATCH', `/images/${image.id}`, { body: largest })
    expect([status, body]).toEqual([200, expect.objectContaining(largest)])
  })
})

test('another organization sees and changes nothing: 404 on every route', async () => {
  const { key } = await server.addOrganization('other')
  const routes = [
    ['GET', '', undefined],
    ['PATCH', '', { labels: {} }],
    ['PATCH', '/toggle', { enabled: false }],
    ['POST', '/retry', undefined],
    ['GET', '/events', undefined],
    ['DELETE', '', undefined],
  ] as const
  for (const [method, action, body] of routes) {
    for (const name of [image.id, 'team/app:1.0']) {
      const answer = await call(method, `/images/${name}${action}`, { key, body })
      expect([method, action, answer.status, answer.body.code]).toEqual([
        method,
        action,
        404,
        'IMAGE_NOT_FOUND',
      ])
    }
  }
  expect((await call('GET', `/images/${image.id}`)).body).toEqual(image)
})

test('each route needs its permission', async () => {
  const { key } = await server.addOrganization('nobody', ['read:registries'])
  for (const [method, action, body] of [
    ['GET', '', undefined],
    ['GET', '/events', undefined],
    ['PATCH', '', {}],
    ['PATCH', '/toggle', { enabled: true }],
    ['POST', '/retry', undefined],
    ['DELETE', '', undefined],
  ] as const) {
    expect((await call(method, `/images/${image.id}${action}`, { key, body })).body.code).toBe('FORBIDDEN')
  }
})

describe('PATCH', () => {
  test('writes what is given and leaves the rest', async () => {
    const body = {
      labels: { a: '1' },
      visibility: 'public',
      description: 'words',
      entrypoint: ['sh', '-c', 'a  b'],
    }
    expect((await call('PATCH', '/images/team/app:1.0', { body })).body).toMatchObject(body)
    const next = await call('PATCH', `/images/${image.id}`, { body: { description: null } })
    expect(next.body).toMatchObject({ ...body, description: null })
  })

  test('what changes nothing leaves no trace', async () => {
    await call('PATCH', `/images/${image.id}`, { body: { labels: {}, visibility: 'private' } })
    expect((await call('GET', `/images/${image.id}`)).body).toEqual(image)
    expect(await eventTypes()).toEqual(['created'])
  })

  test('the entrypoint goes back to the image’s own, if it has one', async () => {
    await set({ state: 'active', entrypointJson: '["mine"]', ownEntrypointJson: '["/app"]' })
    const { body } = await call('PATCH', `/images/${image.id}`, { body: { entrypoint: null } })
    expect(body.entrypoint).toEqual(['/app'])
    await set({ entrypointJson: '["mine"]', ownEntrypointJson: null })
    for (const entrypoint of [null, []]) {
      const refused = await call('PATCH', `/images/${image.id}`, { body: { entrypoint } })
      expect([refused.status, refused.body.code]).toEqual([400, 'BAD_REQUEST'])
    }
    expect((await call('GET', `/images/${image.id}`)).body.entrypoint).toEqual(['mine'])
  })

  test.each(['organizationId', 'id', 'state', 'digest', 'general', 'sizeBytes', 'enabled', 'name'])(
    'cannot set %s (W-05)',
    async (field) => {
      const { status } = await call('PATCH', `/images/${image.id}`, {
        body: { [field]: image[field as keyof Image] },
      })
      expect(status).toBe(400)
    },
  )
})

test('toggle', async () => {
  const { body } = await call('PATCH', '/images/team/app:1.0/toggle', { body: { enabled: false } })
  expect(body.enabled).toBe(false)
  await call('PATCH', `/images/${image.id}/toggle`, { body: { enabled: false } })
  expect(await eventTypes()).toEqual(['created', 'toggled'])
  expect((await call('PATCH', `/images/${image.id}/toggle`, { body: {} })).status).toBe(400)
})

describe('retry', () => {
  test('starts a failed image again, without its reason (W-50)', async () => {
    const reason = {
      code: 'TIMEOUT',
      message: 'm',
      hint: 'h',
      retryable: true,
      at: image.createdAt,
      attempt: 4,
    }
    await set({ state: 'error', reasonJson: JSON.stringify(reason), attempt: 4, nextAttemptAt: 9e15 })
    expect((await call('GET', `/images/${image.id}`)).body).toMatchObject({ reason, errorReason: 'm' })
    const { status, body } = await call('POST', '/images/team/app:1.0/retry')
    expect(status).toBe(200)
    expect(body).toMatchObject({ state: 'pending', reason: null, errorReason: null })
    server.startReconciler()
    expect((await server.settled(image.id)).state).toBe('active')
  })

  test.each(['pending', 'pulling_image', 'validating', 'active'])(
    'is a conflict when it is %s',
    async (state) => {
      await set({ state })
      const { status, body } = await call('POST', `/images/${image.id}/retry`)
      expect([status, body.code]).toEqual([409, 'CONFLICT'])
      expect((await call('GET', `/images/${image.id}`)).body.state).toBe(state)
    },
  )

  test('counts for the quota again', async () => {
    await set({ state: 'error' })
    await server.ctx.db.updateTable('organizations').set({ imageQuota: 0 }).execute()
    const { body } = await call('POST', `/images/${image.id}/retry`)
    expect(body.code).toBe('QUOTA_EXCEEDED')
  })
})

test('the history says what happened, when and by whom', async () => {
  server.startReconciler()
  await server.settled(image.id)
  await call('PATCH', `/images/${image.id}`, { body: { labels: { a: 'b' } } })
  const { body } = await call<ImageEvent[]>('GET', '/images/team/app:1.0/events')
  expect(body.map(({ type, state, actor, digest }) => [type, state, actor, digest])).toEqual([
    ['created', 'pending', 'pusher', one.digest],
    ['state', 'pending_validation', null, one.digest],
    ['state', 'validating', null, one.digest],
    ['state', 'active', null, one.digest],
    ['updated', null, 'acme-user', one.digest],
  ])
  expect(body.every(({ at }) => !Number.isNaN(Date.parse(at)))).toBe(true)
})

async function eventTypes(): Promise<string[]> {
  return (await call<ImageEvent[]>('GET', `/images/${image.id}/events`)).body.map(({ type }) => type)
}
