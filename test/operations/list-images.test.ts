import { expect, test } from 'vitest'
import { listImages } from '../../src/operations/list-images.ts'
import { image, pagesOf } from './images.ts'

const MANY = Array.from({ length: 7 }, (_, i) => image({ name: `app:${i}` }))

test('follows the cursor to the end, with the filter on every page', async () => {
  const { images, asked } = pagesOf(MANY, 3)
  const names: string[] = []
  for await (const { name } of listImages({ images }, { state: 'active' })) names.push(name)
  expect(names).toEqual(MANY.map(({ name }) => name))
  expect(asked.map(({ cursor, state, limit }) => [cursor, state, limit])).toEqual([
    [undefined, 'active', 200],
    ['id-app:2', 'active', 200],
    ['id-app:5', 'active', 200],
  ])
})

test('an insert while paging makes no image appear twice or go missing', async () => {
  const present = [...MANY]
  const { images } = pagesOf(present, 3)
  const names: string[] = []
  for await (const { name } of listImages({ images }, {})) {
    names.push(name)
    if (names.length === 3) present.unshift(image({ name: 'new:1' }))
  }
  expect(names).toEqual(MANY.map(({ name }) => name))
})

test('stops asking when nobody reads on', async () => {
  const { images, asked } = pagesOf(MANY, 3)
  for await (const _ of listImages({ images }, {})) break
  expect(asked).toHaveLength(1)
})
