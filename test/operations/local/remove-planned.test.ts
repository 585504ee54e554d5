import { expect, test } from 'vitest'
import { ImgctlError } from '../../../src/errors/error.ts'
import { pruneImages } from '../../../src/operations/local/prune-images.ts'
import { removePlanned } from '../../../src/operations/local/remove-planned.ts'
import type { EngineContainer, ListedImage } from '../../../src/ports/engine-catalog.ts'
import { container, engineWith, id, listed, SIGNAL } from './listed.ts'

const WHOLE = { id: id('a'), isWhole: true, parents: false }

/** Records what it is asked to remove; the image goes with its id or its last tag. */
function removing(
  images: readonly ListedImage[],
  containers: readonly EngineContainer[] = [],
  error?: ImgctlError,
) {
  const removed: string[] = []
  return {
    ...engineWith(images, containers),
    removed,
    imageBytes: async () => 1000 - removed.length * 100,
    removeImage: async (reference: string) => {
      if (error) throw error
      removed.push(reference)
      return reference.startsWith('sha256:')
        ? { untagged: [], deleted: [id('a')] }
        : { untagged: [reference], deleted: [] }
    },
  }
}

test('an image with one name or none goes by its id', async () => {
  const engine = removing([listed('a', { tags: ['app:1'], digests: [`app@${id('d')}`] })])
  const outcome = await removePlanned(engine, { ...WHOLE, names: ['app:1', `app@${id('d')}`] }, SIGNAL)
  expect(outcome).toEqual({ untagged: [], deleted: [id('a')], error: undefined })
  expect(engine.removed).toEqual([id('a')])
})

test('an image with several names loses each of them', async () => {
  const engine = removing([listed('a', { tags: ['app:1', 'app:2'] })])
  await removePlanned(engine, { ...WHOLE, names: ['app:1', 'app:2'] }, SIGNAL)
  expect(engine.removed).toEqual(['app:1', 'app:2'])
})

test('a name that is another image by now stays', async () => {
  const engine = removing([listed('b', { tags: ['app:1'] }), listed('a', { tags: ['app:2'] })])
  const outcome = await removePlanned(engine, { ...WHOLE, isWhole: false, names: ['app:1'] }, SIGNAL)
  expect(outcome.error).toMatchObject({ code: 'PRECONDITION_FAILED' })
  expect(engine.removed).toEqual([])
})

test('an image that got another name meanwhile stays', async () => {
  const engine = removing([listed('a', { tags: ['app:1', 'app:2', 'new:1'] })])
  const outcome = await removePlanned(engine, { ...WHOLE, names: ['app:1', 'app:2'] }, SIGNAL)
  expect(outcome.error).toMatchObject({
    code: 'PRECONDITION_FAILED',
    message: expect.stringContaining('new:1'),
  })
  expect(engine.removed).toEqual([])
})

test('a conflict names the container that came meanwhile', async () => {
  const refused = new ImgctlError('CONFLICT', 'the engine keeps it')
  const engine = removing([listed('a', { tags: ['app:1'] })], [container('web', 'a')], refused)
  const outcome = await removePlanned(engine, { ...WHOLE, names: ['app:1'] }, SIGNAL)
  expect(outcome.error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('container web') })
})

test('an abort is thrown', async () => {
  const stop = new AbortController()
  stop.abort(new ImgctlError('INTERRUPTED', 'interrupted'))
  const engine = removing([listed('a')], [], new ImgctlError('ENGINE_ERROR', 'aborted'))
  await expect(removePlanned(engine, { ...WHOLE, names: [] }, stop.signal)).rejects.toMatchObject({
    code: 'INTERRUPTED',
  })
})

test('a prune goes on after a failure, and counts what is gone as done', async () => {
  const outcomes: unknown[] = []
  const gone = removing([], [], new ImgctlError('IMAGE_NOT_FOUND', 'gone'))
  const first = await pruneImages(
    gone,
    [listed('a'), listed('b')],
    ({ error }) => outcomes.push(error),
    SIGNAL,
  )
  expect(outcomes).toEqual([undefined, undefined])
  expect(first.reclaimedBytes).toBe(0)
  const kept = removing([listed('a'), listed('b')], [], new ImgctlError('CONFLICT', 'in use'))
  const second = await pruneImages(kept, [listed('a'), listed('b')], () => {}, SIGNAL)
  expect(second.outcomes.map(({ error }) => error?.code)).toEqual(['CONFLICT', 'CONFLICT'])
})

test('a prune says what the disk has more', async () => {
  const { reclaimedBytes } = await pruneImages(
    removing([listed('a'), listed('b')]),
    [listed('a'), listed('b')],
    () => {},
    SIGNAL,
  )
  expect(reclaimedBytes).toBe(200)
})
