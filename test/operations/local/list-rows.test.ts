import { expect, test } from 'vitest'
import { listRows, type RowQuery } from '../../../src/operations/local/list-rows.ts'
import type { ListedImage } from '../../../src/ports/engine-catalog.ts'
import { engineWith, id, listed } from './listed.ts'

const DIGEST = id('d')
const OTHER = id('e')
const ALL: RowQuery = { references: [], everyDigest: false }

async function rows(images: readonly ListedImage[], query: RowQuery = ALL) {
  const found = await listRows(engineWith(images), query)
  return found.map(({ repository, tag, digest }) => [repository, tag, digest])
}

test('a row for each tag, with what its registry calls it', async () => {
  const image = listed('a', { tags: ['app:1', 'app:2', 'other:1'], digests: [`app@${DIGEST}`] })
  expect(await rows([image])).toEqual([
    ['app', '1', DIGEST],
    ['app', '2', DIGEST],
    ['other', '1', null],
  ])
})

test('a row for an image without a name', async () => {
  expect(await rows([listed('a')])).toEqual([[null, null, null]])
})

test('a row for a repository that has a digest and no tag', async () => {
  const image = listed('a', { tags: ['app:1'], digests: [`pulled@${DIGEST}`] })
  expect(await rows([image])).toEqual([
    ['app', '1', null],
    ['pulled', null, DIGEST],
  ])
})

test('a row for each digest of a tag when they are asked for', async () => {
  const image = listed('a', { tags: ['app:1'], digests: [`app@${DIGEST}`, `app@${OTHER}`] })
  expect(await rows([image])).toEqual([['app', '1', DIGEST]])
  expect(await rows([image], { references: [], everyDigest: true })).toEqual([
    ['app', '1', DIGEST],
    ['app', '1', OTHER],
  ])
})

test('only the names that match, and no image without a name', async () => {
  const images = [listed('a', { tags: ['app:1', 'other:1'] }), listed('b')]
  expect(await rows(images, { references: ['app*'], everyDigest: false })).toEqual([['app', '1', null]])
})

test("the engine's own filters go to the engine", async () => {
  const engine = engineWith([])
  await listRows(engine, { ...ALL, dangling: true, labels: ['a=b'], before: 'app:1' })
  expect(engine.queries).toEqual([{ dangling: true, labels: ['a=b'], before: 'app:1' }])
})
