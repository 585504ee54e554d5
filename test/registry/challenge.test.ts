import { expect, test } from 'vitest'
import { parseChallenges } from '../../src/registry/challenge.ts'

test.each<[string, string[], [string, Record<string, string>][]]>([
  ['nothing', [], []],
  ['a scheme alone', ['Negotiate'], [['negotiate', {}]]],
  [
    'the form of token servers',
    ['Bearer realm="https://auth.example.com/token",service="r.example.com",scope="repository:a:pull,push"'],
    [
      [
        'bearer',
        {
          realm: 'https://auth.example.com/token',
          service: 'r.example.com',
          scope: 'repository:a:pull,push',
        },
      ],
    ],
  ],
  ['basic', ['Basic realm="a b"'], [['basic', { realm: 'a b' }]]],
  ['escapes in quotes', ['Basic realm="a \\"b\\", c=d"'], [['basic', { realm: 'a "b", c=d' }]]],
  ['no quotes', ['Bearer realm=abc , service = x'], [['bearer', { realm: 'abc', service: 'x' }]]],
  ['names in capitals', ['BEARER Realm="x"'], [['bearer', { realm: 'x' }]]],
  [
    'two in one header',
    ['Bearer realm="x", Basic realm="y"'],
    [
      ['bearer', { realm: 'x' }],
      ['basic', { realm: 'y' }],
    ],
  ],
  [
    'two headers',
    ['Basic realm="y"', 'Bearer realm="x"'],
    [
      ['basic', { realm: 'y' }],
      ['bearer', { realm: 'x' }],
    ],
  ],
  [
    'a token68 before another',
    ['Negotiate abc==, Basic realm="y"'],
    [
      ['negotiate', {}],
      ['basic', { realm: 'y' }],
    ],
  ],
  ['an open quote', ['Bearer realm="x'], [['bearer', {}]]],
  ['nonsense', ['=== "'], []],
])('%s', (_, headers, expected) => {
  const found = parseChallenges(headers).map((each) => [each.scheme, Object.fromEntries(each.parameters)])
  expect(found).toEqual(expected)
})
