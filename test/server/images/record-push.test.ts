import { afterEach, beforeEach, expect, test } from 'vitest'
import { recordTagDelete } from '../../../src/server/images/record-push.ts'
import { makeImage, pushTag, storeImage } from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
const one = makeImage({ seed: 'one' })
const two = makeImage({ seed: 'two' })

beforeEach(async () => {
  server = await openImages()
})
afterEach(() => server.close())

const rows = () => server.ctx.db.selectFrom('images').selectAll().execute()
const events = () => server.ctx.db.selectFrom('image_events').selectAll().orderBy('id').execute()
const push = (name: string, digest: string, organization = server.acme) =>
  pushTag(server.ctx, organization, name, digest)

test('a tag makes an image', async () => {
  expect(await push('team/app:1.0', one.digest)).toBe(true)
  const [image] = await rows()
  expect(image).toMatchObject({
    name: 'team/app:1.0',
    repository: 'team/app',
    tag: '1.0',
    digest: one.digest,
    sourceJson: '{"kind":"pushed"}',
    state: 'pending',
    createdBy: 'pusher',
  })
})

test('the same digest again changes nothing', async () => {
  await push('app:1.0', one.digest)
  await server.ctx.db.updateTable('images').set({ state: 'active' }).execute()
  expect(await push('app:1.0', one.digest)).toBe(false)
  expect((await rows())[0]?.state).toBe('active')
  expect(await events()).toHaveLength(1)
})

test('the same digest again mends an image that failed', async () => {
  await push('app:1.0', one.digest)
  const sourceJson = '{"kind":"registry","reference":"registry.test/app:1"}'
  await server.ctx.db.updateTable('images').set({ state: 'error', reasonJson: '{}', sourceJson }).execute()
  expect(await push('app:1.0', one.digest)).toBe(true)
  expect((await rows())[0]).toMatchObject({
    state: 'pending',
    reasonJson: null,
    sourceJson: '{"kind":"pushed"}',
  })
  expect((await events()).at(-1)).toMatchObject({ type: 'retry', digest: one.digest, actor: 'pusher' })
})

test.each(['pending', 'pulling_image', 'validating', 'active', 'error'])(
  'another digest moves the image, from %s, and takes it from whoever works on it',
  async (state) => {
    await push('app:1.0', one.digest)
    await server.ctx.db
      .updateTable('images')
      .set({
        state,
        reasonJson: '{}',
        leaseOwner: 'worker',
        leaseUntil: Number.MAX_SAFE_INTEGER,
        entrypointJson: '["mine"]',
        ownEntrypointJson: '["old"]',
        sizeBytes: 5,
      })
      .execute()
    expect(await push('app:1.0', two.digest)).toBe(true)
    expect((await rows())[0]).toMatchObject({
      digest: two.digest,
      state: 'pending',
      reasonJson: null,
      leaseOwner: null,
      entrypointJson: '["mine"]',
      ownEntrypointJson: null,
      sizeBytes: null,
    })
    expect((await events()).at(-1)).toMatchObject({ type: 'moved', digest: two.digest, actor: 'pusher' })
  },
)

const HEX = 'a'.repeat(64)

test.each([
  ...['app:latest', 'app:_imgctl-123', 'library/app:1.0'],
  ...[`app:sha256-${HEX}`, `app:sha512-${HEX}`, `app:sha256-${HEX}.sig`, `app:sha256-${HEX}.att`],
])('the tag %s is a plain registry tag', async (name) => {
  expect(await push(name, one.digest)).toBe(false)
  expect(await rows()).toEqual([])
})

test.each(['app:sha256-1', `app:sha256-${'a'.repeat(63)}`, `app:x-sha256-${HEX}`])(
  'the tag %s is an image',
  async (name) => {
    expect(await push(name, one.digest)).toBe(true)
  },
)

test('two organizations have the same name for different things (W-19)', async () => {
  const other = await server.addOrganization('other')
  await push('app:1.0', one.digest)
  await push('app:1.0', two.digest, other)
  expect((await rows()).map(({ organizationId, digest }) => [organizationId, digest])).toEqual([
    [server.acme.id, one.digest],
    [other.id, two.digest],
  ])
})

test('a push beyond the quota is refused as a whole: no image and no tag', async () => {
  const small = await server.addOrganization('small', [], 1)
  await push('app:1', one.digest, small)
  await expect(push('app:2', one.digest, small)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  expect(await rows()).toHaveLength(1)
  expect(await server.ctx.db.selectFrom('tags').selectAll().execute()).toHaveLength(1)
  expect(await push('app:1', two.digest, small)).toBe(true)
})

test('a failed image comes back into the quota when it is pushed anew', async () => {
  const small = await server.addOrganization('small', [], 1)
  await push('app:1', one.digest, small)
  await server.ctx.db.updateTable('images').set({ state: 'error' }).execute()
  await push('app:2', one.digest, small)
  await expect(push('app:1', two.digest, small)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

test('a general image is neither moved nor deleted by a tag', async () => {
  await push('app:1', one.digest)
  await server.ctx.db.updateTable('images').set({ general: 1 }).execute()
  await expect(push('app:1', two.digest)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(untag('app', '1')).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect((await rows())[0]?.digest).toBe(one.digest)
})

test('a tag that goes takes its image with it; its history stays', async () => {
  await storeImage(server.ctx, server.acme, 'app', one)
  await push('app:1', one.digest)
  await push('app:2', one.digest)
  await untag('app', '1')
  await untag('app', 'nothing-there')
  expect((await rows()).map(({ name }) => name)).toEqual(['app:2'])
  expect((await events()).map(({ type, state }) => [type, state])).toEqual([
    ['created', 'pending'],
    ['created', 'pending'],
    ['state', 'removing'],
  ])
})

const untag = (repository: string, tag: string) =>
  server.ctx.db
    .transaction()
    .execute((trx) => recordTagDelete(trx, { organizationId: server.acme.id, repository, tag, now: 1 }))
