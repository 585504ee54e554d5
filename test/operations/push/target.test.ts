import { describe, expect, test } from 'vitest'
import { formatImageName } from '../../../src/oci/image-name.ts'
import type { Platform } from '../../../src/oci/platform.ts'
import { checkPlatform } from '../../../src/operations/push/platform-check.ts'
import { targetName } from '../../../src/operations/push/target.ts'
import type { EngineVariant } from '../../../src/ports/engine.ts'

describe('the name on the server', () => {
  test.each([
    ['x:1', 'app:2', ['other:3'], 'x:1'],
    [undefined, 'app:2', ['other:3'], 'app:2'],
    [undefined, undefined, ['other:3', 'more:4'], 'other:3'],
    [undefined, '127.0.0.1:5000/team/app:2', [], 'team/app:2'],
  ])('--name %s, typed %s, tags %j: %s', (option, typed, tags, expected) => {
    expect(formatImageName(targetName(option, typed, tags))).toBe(expected)
  })

  test.each([
    [undefined, 'app', /a tag is missing/],
    [undefined, 'app:latest', /latest/],
    [undefined, undefined, /no name of its own/],
    ['App:1', 'app:1', /lowercase/],
    ['app:latest', 'app:1', /latest/],
    ['host:5000/app:1', 'app:1', /port/],
  ])('--name %s, typed %s is refused with a way out', (option, typed, message) => {
    expect(() => targetName(option, typed, [])).toThrow(
      expect.objectContaining({
        code: 'NAME_INVALID',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(/./),
      }),
    )
  })
})

describe('the platform', () => {
  const of = (title: string, platform: Platform, variants: EngineVariant[] = []) => {
    return { title, platform, variants, engineReference: title }
  }
  test.each([
    [{ os: 'linux', architecture: 'amd64' }],
    [{ os: 'linux', architecture: 'x86_64' }],
    [{ os: 'Linux', architecture: 'amd64', variant: 'v2' }],
  ])('%j runs on linux/amd64', (platform) => {
    expect(() => checkPlatform(of('app:1', platform), ['linux/amd64'])).not.toThrow()
  })

  test('another one is refused in the words that users know, with the command that fixes it', () => {
    const platform = { os: 'linux', architecture: 'arm64' }
    expect(() => checkPlatform(of('test-image:1.0', platform), ['linux/amd64'])).toThrow(
      expect.objectContaining({
        code: 'ARCH_MISMATCH',
        exitCode: 5,
        message:
          "image 'test-image:1.0' is not compatible with AMD architecture (it is linux/arm64, the server runs linux/amd64)",
        hint: 'docker buildx build --platform linux/amd64 -t test-image:1.0 --load .',
      }),
    )
  })

  test('a path is no tag to build', () => {
    const platform = { os: 'windows', architecture: 'amd64' }
    expect(() => checkPlatform(of('./app.tar', platform), ['linux/amd64'])).toThrow(
      expect.objectContaining({ hint: 'docker buildx build --platform linux/amd64 -t NAME:TAG --load .' }),
    )
  })

  test('of an index whose right platform was not pulled: the command that fetches it', () => {
    const [arm, amd] = ['arm64', 'amd64'].map((architecture) => ({ os: 'linux', architecture }))
    const digest = `sha256:${'a'.repeat(64)}` as const
    const variants = [
      { platform: amd!, digest, isPresent: false },
      { platform: arm!, digest, isPresent: true },
    ]
    expect(() => checkPlatform(of('app:1.0', arm!, variants), ['linux/amd64'])).toThrow(
      expect.objectContaining({
        code: 'ARCH_MISMATCH',
        message: expect.stringContaining('it is linux/arm64 here, the server runs linux/amd64'),
        hint: 'docker pull --platform linux/amd64 app:1.0',
      }),
    )
  })
})
