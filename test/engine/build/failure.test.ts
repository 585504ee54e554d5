import { describe, expect, test } from 'vitest'
import { buildFailure } from '../../../src/engine/build/failure.ts'
import { buildRequest } from './scripted-buildkit.ts'

const SOLVE = 'failed to solve with frontend dockerfile.v0: failed to create LLB definition: '
const TEXT = '# a file\nFROM scratch\n  foo bar\n'
const request = buildRequest({
  dockerfile: {
    ...{ name: '.Dockerfile.1', fileName: 'Dockerfile', shownAs: 'docker/Dockerfile' },
    content: Buffer.from(TEXT),
  },
})
const step = (name: string, tail: string[] = []) => ({ name, tail })

/** What Docker 20.10 and 28.5 (BuildKit and classic) and Podman 4.3 said in a build that failed so. */
describe('a source that is not there', () => {
  const files = {
    ...request.files,
    ignoredBy: (path: string) => (path === 'docs/a' ? '.dockerignore' : undefined),
  }
  const hintOf = (text: string, name: string) => buildFailure(text, { ...request, files }, step(name)).hint

  test.each([
    ['failed to compute cache key: "/docs/a" not found: not found', '[1/1] COPY docs/a /x'],
    [
      'COPY failed: file not found in build context: stat docs/a: file does not exist',
      '[2/2] ADD b /docs/a /x/',
    ],
    ['copier: stat: "/docs/a": no such file or directory', '[1/2] [2/2] COPY --chown=1 ./docs/a /x'],
  ])('because it is ignored: %s', (text, name) => {
    expect(hintOf(text, name)).toContain('.dockerignore leaves')
  })

  test.each([
    ['"/b": not found', '[1/1] COPY b /docs/a'],
    ['"/docs/a": not found', '[2/2] COPY --from=base docs/a /x'],
    ['permission denied', '[1/1] COPY docs/a /x'],
    ['docs/a: not found', '[1/1] RUN docs/a'],
  ])('for another reason: %s', (text, name) => {
    expect(hintOf(text, name)).toBeUndefined()
  })
})

describe('a mistake in the Dockerfile', () => {
  test.each([
    [
      `${SOLVE}dockerfile parse error line 2: unknown instruction: FOO`,
      'docker/Dockerfile:2: unknown instruction: FOO',
    ],
    [
      'dockerfile parse error on line 3: unknown instruction: FOO (did you mean FROM?)',
      'docker/Dockerfile:3: unknown instruction: FOO (did you mean FROM?)',
    ],
    [
      'building at STEP "FOO ": Build error: Unknown instruction: "FOO" &imagebuilder.Step{Env:[]string{}}\n',
      'docker/Dockerfile:3: unknown instruction: FOO',
    ],
    [
      'building at STEP "BAR ": Build error: Unknown instruction: "BAR" &imagebuilder.Step{Env:[]string{}}\n',
      'docker/Dockerfile: unknown instruction: BAR',
    ],
    [`${SOLVE}the Dockerfile cannot be empty`, 'docker/Dockerfile has no instructions'],
    ['the Dockerfile (Dockerfile) cannot be empty', 'docker/Dockerfile has no instructions'],
    [
      'no contents in "/tmp/libpod_builder3527541739/build/Dockerfile"\n',
      'docker/Dockerfile has no instructions',
    ],
    [`${SOLVE}target stage prod could not be found`, 'docker/Dockerfile has no stage prod'],
    ['target stage "prod" could not be found', 'docker/Dockerfile has no stage prod'],
    ['failed to reach build target prod in Dockerfile', 'docker/Dockerfile has no stage prod'],
    ['The target "prod" was not found in the provided Dockerfile\n', 'docker/Dockerfile has no stage prod'],
  ])('%s', (said, message) => {
    expect(buildFailure(said, request)).toMatchObject({ code: 'BUILD_FAILED', message, exitCode: 1 })
  })

  test.each([
    'failed to solve with frontend dockerfile.v0: failed to read dockerfile: open /x/mount1/Dockerfile: no such file or directory',
    'failed to read dockerfile: open Dockerfile: no such file or directory',
    'Cannot locate specified Dockerfile: Dockerfile',
    'stat /tmp/libpod_builder1648380231/build/Dockerfile: no such file or directory\n',
  ])('it is not there: %s', (said) => {
    expect(buildFailure(said, request)).toMatchObject({ code: 'FILE_NOT_FOUND' })
  })
})

describe('a step that failed', () => {
  test.each([
    ['executor failed running [/bin/sh -c false]: exit code: 3', 3],
    ['process "/bin/sh -c false" did not complete successfully: exit code: 3', 3],
    ["The command '/bin/sh -c false' returned a non-zero code: 3", 3],
    ['building at STEP "RUN false": while running runtime: exit status 3\n', 3],
  ])('%s', (said, code) => {
    const error = buildFailure(said, request, step('[2/2] RUN false', ['one', 'two']))
    expect(error).toMatchObject({
      code: 'BUILD_FAILED',
      message: `[2/2] RUN false ended with exit code ${code}`,
      context: ['one', 'two'],
    })
  })

  test.each([
    [126, /executable/],
    [127, /not in the image/],
    [137, /memory/],
    [1, undefined],
  ])('exit code %i may say more', (code, hint) => {
    const { hint: said } = buildFailure(`exit code: ${code}`, request, step('RUN x'))
    if (hint) expect(said).toMatch(hint)
    else expect(said).toBeUndefined()
  })

  test('without an exit code has its reason', () => {
    const said = 'failed to compute cache key: "/nosuch" not found: not found'
    expect(buildFailure(said, request, step('[1/1] COPY nosuch /x')).message).toBe(
      `[1/1] COPY nosuch /x: ${said}`,
    )
  })

  test('with a long name keeps its reason in sight', () => {
    const { message } = buildFailure('exit code: 1', request, step(`RUN ${'x'.repeat(1000)}`))
    expect(message.length).toBeLessThan(250)
    expect(message).toMatch(/\.\.\. ended with exit code 1$/)
  })

  test.each(['secret npm: not found', 'secret npm not found: not found'])(
    'for want of a secret: %s',
    (said) => {
      expect(buildFailure(said, request, step('RUN x')).hint).toBe('give it: --secret id=npm,src=FILE')
    },
  )

  test('for another platform', () => {
    const said = 'exec /bin/sh: exec format error'
    expect(buildFailure(said, request, step('RUN x')).hint).toMatch(/platform/)
  })
})

describe('a base image', () => {
  const image = '127.0.0.1:46401/nosuch/image:1'
  const load = `[internal] load metadata for ${image}`
  const from = `[1/2] FROM ${image}`

  test.each([
    [load, `${SOLVE}${image}: not found`, 'IMAGE_NOT_FOUND'],
    [
      load,
      `${image}: failed to resolve source metadata for ${image}: ${image}: not found`,
      'IMAGE_NOT_FOUND',
    ],
    [from, `manifest for ${image} not found: manifest unknown: manifest unknown`, 'IMAGE_NOT_FOUND'],
    [
      from,
      `creating build container: initializing source docker://${image}: reading manifest 1 in 127.0.0.1:46401/nosuch/image: manifest unknown: manifest unknown\n`,
      'IMAGE_NOT_FOUND',
    ],
    [
      load,
      `${SOLVE}failed to do request: Head "http://127.0.0.1:1/v2/nosuch/image/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused`,
      'REGISTRY_UNREACHABLE',
    ],
    [
      from,
      'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
      'REGISTRY_UNREACHABLE',
    ],
    [from, 'Get "https://x/v2/": http: server gave HTTP response to HTTPS client', 'REGISTRY_UNREACHABLE'],
    [
      from,
      'Head "http://127.0.0.1:39917/v2/nosuch/image/manifests/1": no basic auth credentials',
      'AUTH_REQUIRED',
    ],
    [load, 'toomanyrequests: You have reached your pull rate limit', 'RATE_LIMITED'],
    [from, 'write /var/lib/docker/tmp/x: no space left on device', 'DISK_FULL'],
  ])('in the step %s: %s', (name, said, code) => {
    expect(buildFailure(said, request, step(name))).toMatchObject({
      code,
      message: expect.stringContaining(image),
    })
  })

  test.each([
    ['[1/2] FROM --platform=linux/amd64 app:1 AS build', 'app:1'],
    ['[2/2] [1/3] FROM app:2', 'app:2'],
    ['[build 1/2] FROM docker.io/library/app:3@sha256:abc', 'docker.io/library/app:3@sha256:abc'],
  ])('is named: %s', (name, expected) => {
    expect(buildFailure('manifest unknown', request, step(name)).message).toMatch(
      `the base image ${expected} cannot be pulled`,
    )
  })
})

test.each([
  ['failed to copy: write /x: no space left on device', undefined],
  ['exit code: 1', step('RUN x', ['cp: write error: No space left on device'])],
])('no space is left: %s', (said, failed) => {
  expect(buildFailure(said, request, failed)).toMatchObject({ code: 'DISK_FULL', hint: /prune/ })
})

test('the classic builder says that it cannot', () => {
  const said = 'the --mount option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/'
  expect(buildFailure(said, request, step('RUN x'))).toMatchObject({ code: 'UNSUPPORTED' })
})

test('what nobody knows is said as it came, with control characters visible', () => {
  expect(buildFailure('frontend\x1b[2J exploded', request)).toMatchObject({
    code: 'BUILD_FAILED',
    message: 'the build failed: frontend\\x1b[2J exploded',
  })
})
