import { describe, expect, test } from 'vitest'
import { ImgctlError } from '../../src/errors/error.ts'
import {
  familiarReference,
  formatReference,
  parseReference,
  toPathComponent,
  tryParseReference,
} from '../../src/oci/reference.ts'

const HEX = 'a'.repeat(64)
const DIGEST = `sha256:${HEX}`

/** From the grammar of github.com/distribution/reference: what it accepts, and the normalized form. */
const VALID: readonly [string, string][] = [
  ['app', 'docker.io/library/app'],
  ['app:1', 'docker.io/library/app:1'],
  ['app:1.0-RC1', 'docker.io/library/app:1.0-RC1'],
  ['app:_x', 'docker.io/library/app:_x'],
  ['library/app:1', 'docker.io/library/app:1'],
  ['docker.io/app:1', 'docker.io/library/app:1'],
  ['docker.io/library/app:1', 'docker.io/library/app:1'],
  ['index.docker.io/library/app', 'docker.io/library/app'],
  ['index.docker.io/app', 'docker.io/library/app'],
  ['team/app', 'docker.io/team/app'],
  ['team/sub/app:2', 'docker.io/team/sub/app:2'],
  ['ghcr.io/graalvm/jdk-community:21', 'ghcr.io/graalvm/jdk-community:21'],
  ['localhost/app:1', 'localhost/app:1'],
  ['localhost:5000/app:1', 'localhost:5000/app:1'],
  ['localhost:5000/app', 'localhost:5000/app'],
  ['127.0.0.1:5000/team/app:1', '127.0.0.1:5000/team/app:1'],
  ['[::1]:5000/app:1', '[::1]:5000/app:1'],
  ['[2001:db8::1]/app', '[2001:db8::1]/app'],
  ['registry:5000/a:1', 'registry:5000/a:1'],
  ['UPPER/app:1', 'UPPER/app:1'],
  ['Registry.Example.com/app:1', 'Registry.Example.com/app:1'],
  ['a_b:1', 'docker.io/library/a_b:1'],
  ['a__b:1', 'docker.io/library/a__b:1'],
  ['a-b:1', 'docker.io/library/a-b:1'],
  ['a--b:1', 'docker.io/library/a--b:1'],
  ['a---b:1', 'docker.io/library/a---b:1'],
  ['a.b:1', 'docker.io/library/a.b:1'],
  ['0/0:0', 'docker.io/0/0:0'],
  ['xn--n3h.com/app:1', 'xn--n3h.com/app:1'],
  ['a.b.c/d.e_f/g-h:i.j_k-l', 'a.b.c/d.e_f/g-h:i.j_k-l'],
  [`app@${DIGEST}`, `docker.io/library/app@${DIGEST}`],
  [`app:1@${DIGEST}`, `docker.io/library/app:1@${DIGEST}`],
  [`localhost:5000/app:1@${DIGEST}`, `localhost:5000/app:1@${DIGEST}`],
  [`app@sha512:${'b'.repeat(128)}`, `docker.io/library/app@sha512:${'b'.repeat(128)}`],
  [`${'a'.repeat(63)}:1`, `docker.io/library/${'a'.repeat(63)}:1`],
  [`app:${'t'.repeat(128)}`, `docker.io/library/app:${'t'.repeat(128)}`],
  [HEX.slice(1), `docker.io/library/${HEX.slice(1)}`],
  ['a/b/c/d/e/f/g:1', 'docker.io/a/b/c/d/e/f/g:1'],
  ['example.com:8443/app:v1', 'example.com:8443/app:v1'],
  ['ex-ample.com/app', 'ex-ample.com/app'],
  ['app:1/2', 'app:1/2'],
]

/** What it refuses, with the place of the first bad character. */
const INVALID: readonly [string, number][] = [
  ['', 0],
  [':1', 0],
  ['@', 1],
  ['app:', 4],
  ['App:1', 0],
  ['myApp:1', 2],
  ['team/App:1', 5],
  ['my app:1', 2],
  [' app:1', 0],
  ['app :1', 3],
  ['app: 1', 4],
  ['app:1 ', 5],
  ['a//b:1', 2],
  ['/app:1', 0],
  ['app/:1', 4],
  ['app/', 4],
  ['-app:1', 0],
  ['app-:1', 3],
  ['_app:1', 0],
  ['app_:1', 3],
  ['.app:1', 0],
  ['app.:1', 3],
  ['a..b:1', 2],
  ['a___b:1', 3],
  ['a._b:1', 2],
  ['a-.b:1', 2],
  ['a_-b:1', 2],
  ['app:-1', 4],
  ['app:.1', 4],
  ['app:1:2', 5],
  ['app:a+b', 5],
  ['app:é', 4],
  ['é:1', 0],
  ['app:1@', 6],
  ['app@sha256', 4],
  [`app@sha256:${'a'.repeat(63)}`, 4],
  [`app@sha256:${'A'.repeat(64)}`, 4],
  [`app@md5:${'a'.repeat(32)}`, 4],
  [`app@${DIGEST}@${DIGEST}`, 4],
  [HEX, 0],
  [`${'a'.repeat(256)}`, 255],
  [`app:${'t'.repeat(129)}`, 132],
  ['https://example.com/app:1', 5],
  ['$PWD:1', 0],
  ['app\n:1', 3],
  ['app\u001b[31m:1', 3],
]

describe('the grammar', () => {
  test.each(VALID)('accepts %s', (text, canonical) => {
    expect(formatReference(parseReference(text))).toBe(canonical)
  })

  test.each(VALID)('%s: the canonical and the familiar form parse to the same reference', (text) => {
    const reference = parseReference(text)
    expect(parseReference(formatReference(reference))).toEqual(reference)
    expect(parseReference(familiarReference(reference))).toEqual(reference)
  })

  test.each(INVALID)('refuses %j at character %i', (text, position) => {
    expect(tryParseReference(text)).toMatchObject({ position, rule: expect.stringMatching(/./) })
  })
})

describe('a refused name', () => {
  test.each([
    ['MyApp:1.0', 'myapp:1.0'],
    ['my app:1.0', 'my-app:1.0'],
    ['team/My App:1.0', 'team/my-app:1.0'],
    ['a..b:1', 'a.b:1'],
    ['app: 1', 'app:1'],
  ])('%s is shown with a caret and corrected to %s', (text, corrected) => {
    const error = thrownBy(() => parseReference(text))
    expect(error).toMatchObject({ code: 'NAME_INVALID', exitCode: 2, hint: `did you mean '${corrected}'?` })
    expect(error.context[0]).toBe(text)
    expect(error.context[1]).toMatch(/^ *\^$/)
    expect(() => parseReference(corrected)).not.toThrow()
  })
})

test.each([
  ['My Project', 'my-project'],
  ['_private_', 'private'],
  ['a+b', 'a-b'],
  ['x.-y', 'x.y'],
  ['日本', undefined],
])('%s as a path component is %s', (text, expected) => {
  expect(toPathComponent(text)).toBe(expected)
})

function thrownBy(action: () => unknown): ImgctlError {
  try {
    action()
  } catch (error) {
    if (error instanceof ImgctlError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
