import { expect, test } from 'vitest'
import { type PruneQuery, planPrune } from '../../../src/operations/local/plan-prune.ts'
import { container, engineWith, id, listed, SIGNAL } from './listed.ts'

const UNNAMED: PruneQuery = { named: false, before: undefined, labels: [] }
const ALL: PruneQuery = { ...UNNAMED, named: true }

async function plan(engine: ReturnType<typeof engineWith>, query: PruneQuery) {
  return (await planPrune(engine, query, SIGNAL)).map((image) => image.id)
}

test('images without a name go; those with one only when all are meant', async () => {
  const engine = engineWith([
    listed('a'),
    listed('b', { tags: ['app:1'] }),
    listed('c', { digests: [`x@${id('d')}`] }),
  ])
  expect(await plan(engine, UNNAMED)).toEqual([id('a')])
  expect(await plan(engine, ALL)).toEqual([id('a'), id('b'), id('c')])
})

test('what a container was made from stays, running or not', async () => {
  const engine = engineWith([listed('a'), listed('b')], [container('old', 'a')])
  expect(await plan(engine, ALL)).toEqual([id('b')])
})

test('parents go after their children, and stay when a child does', async () => {
  const images = [
    listed('a'),
    listed('b', { parentId: id('a') }),
    listed('c', { parentId: id('b') }),
    listed('d', { parentId: id('b'), tags: ['app:1'] }),
  ]
  expect(await plan(engineWith(images), UNNAMED)).toEqual([id('c')])
  expect(await plan(engineWith(images), ALL)).toEqual([id('c'), id('d'), id('b'), id('a')])
  expect(await plan(engineWith(images, [container('web', 'd')]), ALL)).toEqual([id('c')])
})

test('an image that is its own parent holds nobody', async () => {
  expect(await plan(engineWith([listed('a', { parentId: id('a') })]), UNNAMED)).toEqual([])
})

test('only what is older', async () => {
  const engine = engineWith([
    listed('a', { createdAt: '2026-01-01T00:00:00Z' }),
    listed('b', { createdAt: '2026-01-02T00:00:00Z' }),
  ])
  expect(await plan(engine, { ...UNNAMED, before: Date.parse('2026-01-02T00:00:00Z') })).toEqual([id('a')])
})

test.each([
  [{ key: 'keep', value: undefined, negated: false }, ['a', 'b']],
  [{ key: 'keep', value: 'yes', negated: false }, ['a']],
  [{ key: 'keep', value: undefined, negated: true }, ['c']],
  [{ key: 'keep', value: 'yes', negated: true }, ['b', 'c']],
  [{ key: 'toString', value: undefined, negated: false }, []],
])('only what the label %j lets through', async (condition, digits) => {
  const engine = engineWith([
    listed('a', { labels: { keep: 'yes' } }),
    listed('b', { labels: { keep: 'no' } }),
    listed('c'),
  ])
  expect(await plan(engine, { ...UNNAMED, labels: [condition] })).toEqual(digits.map(id))
})
