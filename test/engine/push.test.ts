import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { encodeAuth } from '../../src/engine/registry-auth.ts'
import type { EngineLayerProgress } from '../../src/ports/engine-push.ts'
import { type Answer, dieAfter, events, json, scriptedEngine } from './scripted-engine.ts'

const DIGEST = `sha256:${'d'.repeat(64)}`
const OTHER = `sha256:${'e'.repeat(64)}`
const TARGET = 'registry.example:5000/default/app:_imgctl-1'
const AUTH = { username: 'imgctl', password: 'a?>secret~~', registry: 'registry.example:5000' }
const AUX = { progressDetail: {}, aux: { Tag: '_imgctl-1', Digest: DIGEST, Size: 523 } }
const STATUS = { status: `_imgctl-1: digest: ${DIGEST} size: 523` }

async function pushing(answer: Answer) {
  return scriptedEngine({ answers: { 'POST /images/registry.example:5000/default/app/push': answer } })
}

describe('a push is done', () => {
  test.each([
    ['classic store', [STATUS, AUX]],
    ['containerd store', [STATUS]],
    ['podman, both lines twice', [STATUS, AUX, STATUS, AUX]],
    ['aux alone', [AUX]],
  ])('when the engine says a digest: %s', async (_case, messages) => {
    const { engine } = await pushing(events({ status: 'The push refers to repository' }, ...messages))
    await expect(engine.pushImage(TARGET, undefined, {})).resolves.toEqual({ digest: DIGEST })
  })

  test.each([
    ['nothing', []],
    ['layers', [{ id: 'abc', status: 'Pushed' }]],
    ['a digest that is none', [{ aux: { Digest: 'sha256:1' } }, { status: '_imgctl-1: digest: none' }]],
    ['the digest of another tag', [{ status: `_imgctl-11: digest: ${OTHER} size: 1` }]],
  ])('not by %s', async (_case, messages) => {
    const { engine } = await pushing(events(...messages))
    await expect(engine.pushImage(TARGET, undefined, {})).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
  })

  test('not by a digest with an error after it', async () => {
    const { engine } = await pushing(events(AUX, { error: 'unauthorized: token expired' }))
    await expect(engine.pushImage(TARGET, undefined, {})).rejects.toMatchObject({ code: 'AUTH_REQUIRED' })
  })

  test('not when the engine dies, even after the digest', async () => {
    const { engine } = await pushing(dieAfter(`${JSON.stringify(AUX)}\n`))
    await expect(engine.pushImage(TARGET, undefined, {})).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      retryable: true,
    })
  })
})

test('the request has the tag, the credentials and no body', async () => {
  const { engine, requests, headers } = await pushing(events(AUX))
  await engine.pushImage(TARGET, AUTH, {})
  expect(requests.at(-1)).toBe('POST /v1.41/images/registry.example:5000/default/app/push?tag=_imgctl-1')
  const sent = headers.at(-1)?.['x-registry-auth']
  expect(sent).toBe(encodeAuth(AUTH))
  expect(headers.at(-1)).toMatchObject({ 'content-length': '0' })
})

test('plain HTTP is asked for, where the engine lets itself be asked', async () => {
  const { engine, requests } = await pushing(events(AUX))
  await engine.pushImage(TARGET, undefined, { secure: false })
  expect(requests.at(-1)).toMatch(/push\?tag=_imgctl-1&tlsVerify=false$/)
})

describe('credentials', () => {
  test('are base64url with padding', () => {
    const encoded = encodeAuth(AUTH)
    expect(encoded).toMatch(/^[\w-]+=*$/)
    expect(encoded.length % 4).toBe(0)
    expect(JSON.parse(Buffer.from(encoded, 'base64url').toString())).toEqual({
      username: AUTH.username,
      password: AUTH.password,
      serveraddress: AUTH.registry,
    })
  })

  test('that are absent are an empty object', () => {
    expect(encodeAuth(undefined)).toBe('e30=')
  })

  test('are not in what DEBUG prints', async () => {
    const { socketPath } = await pushing(events(AUX))
    const source = new URL('../../src/engine/engine.ts', import.meta.url)
    const program = `
      import { createEngine } from ${JSON.stringify(source.href)}
      const environment = { variables: {}, home: '/nonexistent', platform: 'linux' }
      const engine = createEngine({ host: ${JSON.stringify(`unix://${socketPath}`)}, environment })
      await engine.pushImage(${JSON.stringify(TARGET)}, ${JSON.stringify(AUTH)}, {})`
    const args = ['--input-type=module-typescript', '--eval', program]
    const env = { ...process.env, DEBUG: '*' }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env })
    expect(stderr).toContain('/images/registry.example:5000/default/app/push')
    for (const secret of [AUTH.password, encodeAuth(AUTH), Buffer.from(AUTH.password).toString('base64')]) {
      expect(stdout + stderr).not.toContain(secret)
    }
  })
})

test('progress is told layer by layer', async () => {
  const progress: EngineLayerProgress[] = []
  const { engine } = await pushing(
    events(
      { status: 'The push refers to repository [x]' },
      { status: 'Preparing', progressDetail: {}, id: 'one' },
      { status: 'Pushing', progressDetail: { current: 512, total: 1024 }, progress: '[=>]', id: 'one' },
      { status: 'Pushed\u001b[2J', progressDetail: {}, id: 'one' },
      AUX,
    ),
  )
  await engine.pushImage(TARGET, undefined, { onProgress: (event) => progress.push(event) })
  expect(progress).toEqual([
    { layer: 'one', status: 'Preparing' },
    { layer: 'one', status: 'Pushing', current: 512, total: 1024 },
    { layer: 'one', status: 'Pushed\\x1b[2J' },
  ])
})

test('a push that is stopped ends the request', async () => {
  const stop = new AbortController()
  const reason = new Error('stopped')
  let closed: Promise<unknown> = Promise.resolve()
  const { engine } = await pushing((_request, response) => {
    closed = new Promise((resolve) => response.on('close', resolve))
    response.write('{"id":"a","status":"Pushing"}\n')
  })
  const onProgress = () => stop.abort(reason)
  await expect(engine.pushImage(TARGET, undefined, { signal: stop.signal, onProgress })).rejects.toBe(reason)
  await closed
})

test('a refusal with a status is read as one in the stream is', async () => {
  const { engine } = await pushing(json({ message: 'failed to find image: image not known' }, 404))
  await expect(engine.pushImage(TARGET, undefined, {})).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
})
