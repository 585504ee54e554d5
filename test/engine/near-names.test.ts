import { expect, test } from 'vitest'
import { editDistance, nearNames } from '../../src/engine/near-names.ts'

const KNOWN = ['app:1.0', 'app:1.1', 'team/web:2', 'ghcr.io/team/worker:3', 'postgres:16']

test.each([
  ['app:1.2', ['app:1.0', 'app:1.1']],
  ['ap:1.0', ['app:1.0', 'app:1.1']],
  ['app', ['app:1.0', 'app:1.1']],
  ['web', ['team/web:2']],
  ['worker:3', ['ghcr.io/team/worker:3']],
  ['postgers:16', ['postgres:16']],
  ['nothing-like-it:1', []],
])('%s', (wanted, expected) => {
  expect(nearNames(wanted, KNOWN)).toEqual(expected)
})

test('three at most, each once', () => {
  const tags = ['app:1', 'app:2', 'app:3', 'app:4', 'app:1']
  expect(nearNames('app:5', tags)).toEqual(['app:1', 'app:2', 'app:3'])
})

test.each([
  ['', '', 0],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['same', 'same', 0],
])('distance of %j and %j', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance)
  expect(editDistance(b, a)).toBe(distance)
})
