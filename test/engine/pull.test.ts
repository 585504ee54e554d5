import { describe, expect, test } from 'vitest'
import { pullFailure } from '../../src/engine/pull-failure.ts'
import { encodeAuth } from '../../src/engine/registry-auth.ts'
import type { ErrorCode } from '../../src/errors/codes.ts'
import type { EngineLayerProgress } from '../../src/ports/engine-push.ts'
import { type Answer, dieAfter, events, json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`
const DIGEST = `sha256:${'d'.repeat(64)}`
const NAME = 'r.example/app:1'
const INSPECT = `GET /images/${NAME}/json`
const PODMAN = { 'api-version': '1.41', 'libpod-api-version': '4.3.1' }
const IMAGE = { Id: ID, Os: 'linux', Architecture: 'amd64', RepoDigests: [`r.example/app@${DIGEST}`] }
const DONE = [{ status: `Digest: ${DIGEST}` }, { status: `Status: Downloaded newer image for ${NAME}` }]

/** Not there at the first look, and there at the next. */
function appearing(image: unknown): Answer {
  let looks = 0
  return (request, response) => {
    looks += 1
    return looks === 1
      ? json({ message: 'No such image' }, 404)(request, response)
      : json(image)(request, response)
  }
}

describe('a pull', () => {
  test('by Docker tells layers, digest and id', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: {
        [INSPECT]: appearing(IMAGE),
        'POST /images/create': events(
          { status: 'Pulling from app', id: '1' },
          { status: 'Downloading', id: 'l1', progressDetail: { current: 5, total: 9 } },
          { status: 'Pull complete', id: 'l1', progressDetail: {} },
          ...DONE,
        ),
      },
    })
    const seen: EngineLayerProgress[] = []
    expect(
      await engine.pullImage(NAME, undefined, { onProgress: (progress) => seen.push(progress) }),
    ).toEqual({
      id: ID,
      digests: [DIGEST],
      isNew: true,
      platform: { os: 'linux', architecture: 'amd64' },
    })
    expect(seen).toContainEqual({ layer: 'l1', status: 'Downloading', current: 5, total: 9 })
    expect(requests).toContain('POST /v1.41/images/create?fromImage=r.example%2Fapp&tag=1')
  })

  test('of what is there is not new, and Docker may say no digest', async () => {
    const { engine } = await scriptedEngine({
      answers: {
        [INSPECT]: json(IMAGE),
        'POST /images/create': events({ status: `Status: Image is up to date for ${NAME}` }),
      },
    })
    expect(await engine.pullImage(NAME, undefined, {})).toMatchObject({ isNew: false, digests: [DIGEST] })
  })

  test('by digest asks for the digest', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: {
        [`GET /images/r.example/app@${DIGEST}/json`]: json({ Id: ID }),
        'POST /images/create': events(...DONE),
      },
    })
    await engine.pullImage(`r.example/app:1@${DIGEST}`, undefined, { platform: undefined } as never)
    expect(requests[2]).toContain(`tag=${encodeURIComponent(DIGEST)}`)
  })

  test('by Podman goes through its own call, which can do without TLS', async () => {
    const { engine, requests } = await scriptedEngine({
      ping: PODMAN,
      answers: {
        [INSPECT]: appearing(IMAGE),
        'POST /libpod/images/pull': events(
          { stream: `Trying to pull ${NAME}...\n` },
          { stream: `Copying blob sha256:${'c'.repeat(64)}\n` },
          { images: ['a'.repeat(64)], id: 'a'.repeat(64) },
        ),
      },
    })
    const seen: EngineLayerProgress[] = []
    const pulled = await engine.pullImage(NAME, undefined, {
      secure: false,
      onProgress: (progress) => seen.push(progress),
    })
    expect(pulled).toMatchObject({ id: ID, digests: [DIGEST] })
    expect(seen).toEqual([{ layer: 'c'.repeat(12), status: 'Downloading' }])
    expect(requests[2]).toMatch(/reference=r\.example%2Fapp%3A1.*tlsVerify=false/)
  })

  test('carries the credentials in their header only', async () => {
    const auth = { identityToken: 'secret-token', registry: 'r.example' }
    const { engine, headers, requests } = await scriptedEngine({
      answers: { [INSPECT]: appearing(IMAGE), 'POST /images/create': events(...DONE) },
    })
    await engine.pullImage(NAME, auth, {})
    expect(headers[2]!['x-registry-auth']).toBe(encodeAuth(auth))
    expect(JSON.parse(Buffer.from(encodeAuth(auth), 'base64url').toString())).toEqual({
      identitytoken: 'secret-token',
      serveraddress: 'r.example',
    })
    expect(requests.join()).not.toContain('secret-token')
  })

  test.each<[why: string, answer: Answer, code: ErrorCode]>([
    ['an error in the stream', events({ error: 'toomanyrequests: slow down' }), 'RATE_LIMITED'],
    ['a stream without an end', events({ status: 'Downloading', id: 'l1' }), 'ENGINE_ERROR'],
    ['an engine that dies', dieAfter('{"status":"Pulling"}\n'), 'ENGINE_UNREACHABLE'],
    ['a refusal', json({ message: 'manifest for r.example/app:1 not found' }, 404), 'IMAGE_NOT_FOUND'],
  ])('fails with %s', async (_why, answer, code) => {
    const { engine } = await scriptedEngine({
      answers: { [INSPECT]: json(IMAGE), 'POST /images/create': answer },
    })
    await expect(engine.pullImage(NAME, undefined, {})).rejects.toMatchObject({ code })
  })

  test('for another platform than came is refused: Docker itself does not look', async () => {
    const { engine, requests } = await scriptedEngine({
      answers: { [INSPECT]: json(IMAGE), 'POST /images/create': events(...DONE) },
    })
    const platform = { os: 'linux', architecture: 'arm64' }
    await expect(engine.pullImage(NAME, undefined, { platform })).rejects.toMatchObject({
      code: 'ARCH_MISMATCH',
    })
    expect(requests.join()).toContain('platform=linux%2Farm64')
  })
})

/** What Docker 20.10 (classic), Docker 28.5 (containerd) and Podman 4.3 said when it was done to them. */
test.each<[string, ErrorCode]>([
  ['manifest for 127.0.0.1:1/li/app:nope not found: manifest unknown: manifest unknown', 'IMAGE_NOT_FOUND'],
  ['failed to resolve reference "127.0.0.1:1/a:nope": 127.0.0.1:1/a:nope: not found', 'IMAGE_NOT_FOUND'],
  ['initializing source docker://r/a:1: reading manifest 1 in r/a: manifest unknown', 'IMAGE_NOT_FOUND'],
  ['Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused', 'REGISTRY_UNREACHABLE'],
  [
    'pinging container registry r: Get "https://r/v2/": http: server gave HTTP response to HTTPS client',
    'REGISTRY_UNREACHABLE',
  ],
  ['Head "http://127.0.0.1:1/v2/li/app/manifests/1": no basic auth credentials', 'AUTH_REQUIRED'],
  ['unexpected status from HEAD request to http://r/v2/a/manifests/1: 401 Unauthorized', 'AUTH_REQUIRED'],
  [
    'pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    'AUTH_REQUIRED',
  ],
  ['reading manifest 1 in r/a: unauthorized: authentication required', 'AUTH_REQUIRED'],
  ['no matching manifest for linux/arm64 in the manifest list entries', 'ARCH_MISMATCH'],
  ['write /var/lib/docker/tmp/x: no space left on device', 'DISK_FULL'],
  ['something new', 'ENGINE_ERROR'],
])('%s', (message, code) => {
  expect(pullFailure('r.example', message)).toMatchObject({ code, message: expect.stringContaining(message) })
})

test('who is not let in is told how to log in', () => {
  expect(pullFailure('r.example', 'no basic auth credentials').hint).toBe(
    'log in to it: docker login r.example',
  )
})
