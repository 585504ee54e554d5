import { expect, test } from 'vitest'
import { referenceMatcher } from '../../../src/operations/local/reference-pattern.ts'

/** What Go's path.Match answers for the name with its tag or without. */
test.each<[pattern: string, name: string, matches: boolean]>([
  ['app', 'app:1.0', true],
  ['app:1.0', 'app:1.0', true],
  ['app:1.*', 'app:1.0', true],
  ['app:1.?', 'app:1.0', true],
  ['app:1.?', 'app:1.10', false],
  ['app:1x0', 'app:1.0', false],
  ['*', 'app:1.0', true],
  ['*', 'team/app:1.0', false],
  ['team/*', 'team/app:1.0', true],
  ['*/*', 'team/app:1.0', true],
  ['ap[a-z]', 'app:1.0', true],
  ['ap[^p]', 'app:1.0', false],
  ['ap[^x]', 'app:1.0', true],
  ['ap\\p', 'app:1.0', true],
  ['app', 'docker.io/library/app:1.0', true],
  ['docker.io/library/app', 'app:1.0', false],
  ['registry.example:5000/*/app', 'registry.example:5000/team/app:1', true],
  ['', 'app:1.0', false],
])('%s and %s', (pattern, name, matches) => expect(referenceMatcher([pattern])(name)).toBe(matches))

test('no pattern lets every name through, several any of theirs', () => {
  expect(referenceMatcher([])('app:1')).toBe(true)
  expect(referenceMatcher(['x', 'app'])('app:1')).toBe(true)
  expect(referenceMatcher(['x', 'y'])('app:1')).toBe(false)
})

test.each(['app[', 'app[]', 'app[a', 'app\\'])('%s is no pattern', (pattern) => {
  expect(() => referenceMatcher([pattern])).toThrowError(expect.objectContaining({ code: 'USAGE' }))
})
