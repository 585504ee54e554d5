import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DeletedImage, Image } from '../../../src/contract/image.ts'
import type { ApiError } from '../../../src/contract/server.ts'
import { layerBytes, type MadeImage, makeImage, pushTag, storeImage } from './content.ts'
import { type OpenImages, openImages } from './open-images.ts'

let server: OpenImages
const shared = layerBytes('shared', 4000)
const one = makeImage({ seed: 'one', layers: [shared, layerBytes('one', 3000)] })
const two = makeImage({ seed: 'two', layers: [shared, layerBytes('two', 2000)] })

beforeEach(async () => {
  server = await openImages({ graceMs: 0 })
})
afterEach(() => server.close())

const push = async (name: string, image: MadeImage): Promise<Image> => {
  await storeImage(server.ctx, server.acme, name.split(':')[0]!, image)
  await pushTag(server.ctx, server.acme, name, image.digest)
  return (await server.call('GET', `/images/${name}`)).body
}
const remove = (name: string, ifMatch?: string) =>
  server.call<DeletedImage & ApiError>(
    'DELETE',
    `/images/${name}`,
    ifMatch ? { headers: { 'if-match': ifMatch } } : {},
  )
const bytes = ({ blobs }: MadeImage) => [...blobs.values()].reduce((sum, blob) => sum + blob.length, 0)
const names = async () =>
  (await server.ctx.db.selectFrom('images').select('name').execute()).map(({ name }) => name)

test('takes the image, its tag and its blobs, and says what that frees (W-41)', async () => {
  await push('app:1', one)
  server.advance(1000)
  expect(await remove('app:1')).toEqual({ status: 200, body: { freedBytes: bytes(one), heldBy: [] } })
  expect(await names()).toEqual([])
  expect(await server.ctx.db.selectFrom('tags').selectAll().execute()).toEqual([])
  for (const digest of one.blobs.keys()) expect(await server.ctx.blobs.size(digest)).toBeUndefined()
  expect((await remove('app:1')).body.code).toBe('IMAGE_NOT_FOUND')
})

test('what other names need stays', async () => {
  await push('app:1', one)
  await push('app:2', one)
  await push('app:3', two)
  server.advance(1000)
  expect((await remove('app:1')).body).toEqual({ freedBytes: 0, heldBy: ['app:2'] })
  expect((await remove('app:2')).body).toEqual({ freedBytes: bytes(one) - shared.length, heldBy: [] })
  for (const digest of two.blobs.keys()) expect(await server.ctx.blobs.size(digest)).toBeDefined()
})

test.each(['pending', 'pulling_image', 'pending_validation', 'validating', 'active', 'error'])(
  'goes in the state %s, also while a worker has it',
  async (state) => {
    const { id } = await push('app:1', one)
    await server.ctx.db.updateTable('images').set({ state, leaseOwner: 'worker', leaseUntil: 9e15 }).execute()
    expect((await remove(id)).status).toBe(200)
    expect(await names()).toEqual([])
  },
)

test('a general image is not deleted', async () => {
  const { id } = await push('app:1', one)
  await server.ctx.db.updateTable('images').set({ general: 1 }).execute()
  const { status, body } = await remove(id)
  expect([status, body.code]).toEqual([403, 'FORBIDDEN'])
  expect(await names()).toEqual(['app:1'])
})

test('If-Match: what was pushed again since the plan survives', async () => {
  await push('app:1', one)
  await push('app:1', two)
  for (const stale of [one.digest, `"${one.digest}"`]) {
    const { status, body } = await remove('app:1', stale)
    expect([status, body.code]).toEqual([412, 'PRECONDITION_FAILED'])
  }
  expect(await names()).toEqual(['app:1'])
  expect((await remove('app:1', `"${two.digest}"`)).status).toBe(200)
  await push('app:1', one)
  expect((await remove('app:1', '*')).status).toBe(200)
})

test('the name is free at once', async () => {
  await push('app:1', one)
  await remove('app:1')
  expect(await push('app:1', two)).toMatchObject({ state: 'pending', digest: two.digest })
})

test('in the middle of the work: the worker writes nothing more', async () => {
  let isWorking = () => {}
  const working = new Promise<void>((resolve) => {
    isWorking = resolve
  })
  let finish = () => {}
  const { id } = await push('app:1', one)
  const reconciler = server.startReconciler({
    pending: async () => ({ to: 'pending_validation' }),
    pending_validation: async () => ({ to: 'validating' }),
    validating: async () => {
      isWorking()
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return { to: 'active' }
    },
  })
  await working
  expect((await remove(id)).status).toBe(200)
  finish()
  await reconciler.stop()
  expect(await names()).toEqual([])
  const events = await server.ctx.db.selectFrom('image_events').select('state').orderBy('id').execute()
  expect(events.at(-1)?.state).toBe('removing')
})
