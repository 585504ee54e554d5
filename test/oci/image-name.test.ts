import { describe, expect, test } from 'vitest'
import { defaultImageName, formatImageName, parseImageName } from '../../src/oci/image-name.ts'
import { parseReference } from '../../src/oci/reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('a name on the server', () => {
  test.each(['app:1.0', 'team/app:1.0', 'ghcr.io/graalvm/jdk-community:21', 'a__b:1.0-RC1', 'debian:12.9'])(
    'may be %s',
    (name) => expect(formatImageName(parseImageName(name))).toBe(name),
  )

  test('has no docker.io/library in front', () => {
    expect(parseImageName('docker.io/library/debian:12.9')).toEqual({ repository: 'debian', tag: '12.9' })
  })

  test.each([
    ['app', 'a tag is missing', 'app:1.0'],
    ['registry:5000/a:1', 'no registry port', 'a:1'],
    ['localhost:5000/a', 'no registry port', 'a:1.0'],
    [`app@${DIGEST}`, 'a digest', 'app:1.0'],
    [`app:1@${DIGEST}`, 'a digest', 'app:1'],
    ['App:1', 'lowercase', 'app:1'],
    ['Registry.Example.com/app:1', 'lowercase', 'registry.example.com/app:1'],
    ['my app:1', 'spaces', 'my-app:1'],
    ['app:latest', 'latest', '--name app:$(git rev-parse --short HEAD)'],
    ['', 'empty', undefined],
  ])('is not %s (%s)', (text, rule, correction) => {
    expect(() => parseImageName(text)).toThrow(
      expect.objectContaining({
        code: 'NAME_INVALID',
        message: expect.stringContaining(rule),
        context: [text, expect.stringMatching(/^ *\^$/)],
        ...(correction ? { hint: expect.stringContaining(correction) } : {}),
      }),
    )
  })
})

describe('the name an image gets when the user gives none', () => {
  test.each([
    ['app:1.0', 'app:1.0'],
    ['docker.io/library/app:1.0', 'app:1.0'],
    ['team/app:1.0', 'team/app:1.0'],
    ['ghcr.io/me/app:1.0', 'ghcr.io/me/app:1.0'],
    ['127.0.0.1:5000/team/app:1.0', 'team/app:1.0'],
    ['localhost/app:1.0', 'app:1.0'],
    ['Registry.Example.com/app:1', 'app:1'],
  ])('for %s is %s', (reference, name) => {
    expect(formatImageName(defaultImageName(parseReference(reference)))).toBe(name)
  })

  test.each(['app', 'app:latest', `app@${DIGEST}`])('cannot be made from %s', (reference) => {
    expect(() => defaultImageName(parseReference(reference))).toThrow(
      expect.objectContaining({ code: 'NAME_INVALID' }),
    )
  })
})
