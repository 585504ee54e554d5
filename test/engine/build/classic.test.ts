import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { EngineBuild } from '../../../src/ports/engine-build.ts'
import { type Answer, dieAfter, events, json, type Script, scriptedEngine } from '../scripted-engine.ts'
import { folderFiles, sentFile } from './memory-files.ts'
import { buildRequest, IMAGE_ID, readable, recorder } from './scripted-buildkit.ts'

const DOCKER = { 'api-version': '1.41', 'builder-version': '1' }
const PODMAN = { 'api-version': '1.41', 'libpod-api-version': '4.3.1', 'builder-version': '' }
const DIGEST = `sha256:${'c'.repeat(64)}`
const STEPS = [{ stream: 'Step 1/2 : FROM scratch' }, { stream: '\n' }, { stream: ' ---> \n' }]
const DONE = [{ aux: { ID: IMAGE_ID } }, { stream: 'Successfully built bbbbbbbbbbbb\n' }]
const inspected = (id: string, names: string[] = []) =>
  json({ Id: id, Os: 'linux', RepoTags: names, RootFS: { Layers: [DIGEST] } })

/** A classic engine that answers a build so, when it has read the context. */
async function classic(answer: Answer, { ping = DOCKER, answers = {} }: Script = {}) {
  const scripted = await scriptedEngine({
    ping,
    answers: {
      'POST /build': (request, response) => request.resume().on('end', () => answer(request, response)),
      ...{ [`GET /images/${IMAGE_ID}/json`]: inspected(IMAGE_ID), ...answers },
    },
  })
  const { engine, ...rest } = scripted
  return { engine: engine as unknown as EngineBuild, ...rest }
}

/** The engine's answers by which one image of a step is removed. */
function removable(shortId: string, answer: Answer = json([])): Record<string, Answer> {
  const id = `sha256:${shortId}${'0'.repeat(64 - shortId.length)}`
  return { [`GET /images/${shortId}/json`]: inspected(id), [`DELETE /images/${id}`]: answer }
}

describe('a build is done', () => {
  test('when the engine says an image and has it', async () => {
    const { engine, requests } = await classic(events(...STEPS, ...DONE))
    expect(await engine.build(buildRequest())).toEqual({ imageId: IMAGE_ID, builder: 'classic' })
    expect(requests.at(-2)).toBe('POST /v1.41/build?rm=1&forcerm=1&dockerfile=Dockerfile&version=1')
  })

  test.each([
    ['nothing', events()],
    ['text alone', events(...STEPS, { stream: 'Successfully built bbbbbbbbbbbb\n' })],
  ])('not by %s', async (_case, answer) => {
    const { engine } = await classic(answer)
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
  })

  test('not when the engine dies, even after the image', async () => {
    const { engine } = await classic(dieAfter(`${JSON.stringify(DONE[0])}\n`))
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  test('not when the engine has no such image', async () => {
    const gone = {
      [`GET /images/${IMAGE_ID}/json`]: json({ message: 'no such image' }, 404),
      'GET /images/json': json([]),
    }
    const { engine } = await classic(events(...DONE), { answers: gone })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })
})

test('a refusal with a status is read as an error in the stream is', async () => {
  const said = 'dockerfile parse error line 2: unknown instruction: FOO'
  const { engine } = await classic(json({ message: said }, 400))
  await expect(engine.build(buildRequest())).rejects.toMatchObject({
    code: 'BUILD_FAILED',
    message: 'Dockerfile:2: unknown instruction: FOO',
  })
})

describe('a refusal without a word', () => {
  const wordless: Answer = (_request, response) => void response.writeHead(500).end()
  const withLink = (path: string, target: string) =>
    folderFiles(
      async function* () {
        yield sentFile('a', () => readable('a'))
        yield { ...sentFile(path, () => readable()), type: 'symlink' as const, target }
      },
      () => readable('the tar'),
    )

  test.each([
    ['out', '../etc/passwd'],
    ['b/out', '../../x'],
    ['b/out', 'c/../../..'],
  ])('names the links that Podman does not take: %s -> %s', async (path, target) => {
    const { engine } = await classic(wordless, { ping: PODMAN })
    await expect(engine.build(buildRequest({ files: withLink(path, target) }))).rejects.toMatchObject({
      ...{ code: 'BUILD_FAILED', context: [`${path} -> ${target}`] },
      hint: expect.stringContaining('.dockerignore'),
    })
  })

  test.each([
    ['b/in', '../a'],
    ['in', '/../etc/passwd'],
    ['in', '..a/b'],
  ])('says that there was none: %s -> %s', async (path, target) => {
    const { engine } = await classic(wordless, { ping: PODMAN })
    await expect(engine.build(buildRequest({ files: withLink(path, target) }))).rejects.toMatchObject({
      message: 'the build failed: the engine gave no reason (status 500)',
    })
  })
})

describe('credentials', () => {
  const PASSWORD = 'a?>secret~~'
  const mine = { username: 'imgctl', password: PASSWORD }
  const config = (header: unknown) => JSON.parse(Buffer.from(String(header), 'base64url').toString())

  test('are sent for the registries of FROM lines, and for no other', async () => {
    const asked: string[] = []
    const { engine, headers } = await classic(events(...DONE))
    const credentialsFor = async (host: string) => {
      asked.push(host)
      return mine
    }
    await engine.build(buildRequest({ baseImages: ['r.example/base:1', 'scratch'], credentialsFor }))
    expect(asked).toEqual(['r.example'])
    expect(config(headers.at(-2)?.['x-registry-config'])).toEqual({
      'r.example': { ...mine, serveraddress: 'r.example' },
    })
  })

  test('are not in what DEBUG prints', async () => {
    const { socketPath } = await classic(events(...DONE))
    const source = new URL('../../../src/engine/engine.ts', import.meta.url)
    const program = `
      import { Readable } from 'node:stream'
      import { createEngine } from ${JSON.stringify(source.href)}
      const environment = { variables: {}, home: '/nonexistent', platform: 'linux' }
      const engine = createEngine({ host: ${JSON.stringify(`unix://${socketPath}`)}, environment })
      await engine.build({
        files: { id: '/', tar: () => Readable.from([Buffer.from('tar')]) },
        dockerfile: { name: 'Dockerfile', content: Buffer.from('') },
        baseImages: ['r.example/base:1'],
        credentialsFor: async () => (${JSON.stringify(mine)}),
      })`
    const args = ['--input-type=module-typescript', '--eval', program]
    const env = { ...process.env, DEBUG: '*', NODE_DEBUG: 'http,net,stream' }
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 2 ** 26 })
    expect(stderr).toContain('/build?rm=1&forcerm=1&dockerfile=Dockerfile')
    const encoded = Buffer.from(JSON.stringify({ password: PASSWORD }))
      .toString('base64')
      .slice(20, 30)
    for (const secret of [PASSWORD, encoded, Buffer.from(PASSWORD).toString('base64')]) {
      expect(stdout + stderr).not.toContain(secret)
    }
  })
})

test.each([
  ['a registry on this machine', ['127.0.0.1:5000/base:1'], true],
  ['another', ['r.example/base:1'], false],
])('Podman may use plain HTTP for %s', async (_case, baseImages, expected) => {
  const { engine, requests } = await classic(events(...DONE), { ping: PODMAN })
  await engine.build(buildRequest({ baseImages }))
  expect(requests.at(-2)?.includes('tlsVerify=false')).toBe(expected)
})

test('what needs BuildKit is refused before anything is sent', async () => {
  const { engine, requests } = await classic(events())
  const request = buildRequest({ needsBuildKit: ['COPY <<EOF (line 2)'] })
  await expect(engine.build(request)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(requests).toEqual(['GET /_ping'])
})

describe('what the steps of a failed build made', () => {
  const MADE = [
    { stream: 'Step 1/3 : FROM base' },
    { stream: ' ---> 111111111111\n' },
    { stream: 'Step 2/3 : ENV a=1' },
    { stream: ' ---> Using cache\n' },
    { stream: ' ---> 222222222222\n' },
    { stream: 'Step 3/3 : ENV b=1' },
    { stream: ' ---> 333333333333\n' },
    { stream: 'Step 4/4 : ENV c=1' },
    { stream: ' ---> 444444444444\n' },
  ]
  const FAILED = {
    errorDetail: { code: 3, message: 'returned a non-zero code: 3' },
    error: 'returned a non-zero code: 3',
  }
  const deletions = (requests: string[]) =>
    requests
      .filter((line) => line.startsWith('DELETE'))
      .map((line) => /sha256:(\d{12})0+(\?.*)$/.exec(line)?.slice(1))

  test('is removed, the last first, but not base images and the cache', async () => {
    const answers = { ...removable('333333333333'), ...removable('444444444444') }
    const { engine, requests } = await classic(events(...MADE, FAILED), { answers })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'BUILD_FAILED' })
    expect(deletions(requests)).toEqual([
      ['444444444444', '?noprune=true&force=false'],
      ['333333333333', '?noprune=true&force=false'],
    ])
  })

  test('stays when it has a name', async () => {
    const id = `sha256:444444444444${'0'.repeat(52)}`
    const answers = { 'GET /images/444444444444/json': inspected(id, ['app:1']) }
    const { engine } = await classic(events(...MADE, FAILED), { answers })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'BUILD_FAILED' })
  })

  test('stays when its short id turns out to be a name', async () => {
    const answers = { 'GET /images/444444444444/json': inspected(IMAGE_ID) }
    const { engine } = await classic(events(...MADE, FAILED), { answers })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'BUILD_FAILED' })
  })

  test('does not hide the reason when it cannot be removed', async () => {
    const answers = removable('444444444444', json({ message: 'in use' }, 409))
    const { engine } = await classic(events(...MADE, FAILED), { answers })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'BUILD_FAILED' })
  })

  test.each([
    ['Docker', DOCKER, 'false'],
    ['Podman, where the step goes on', PODMAN, 'true'],
  ])('is removed when the build is stopped: %s', async (_case, ping, force) => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    let closed: Promise<unknown> = Promise.resolve()
    const { engine, requests } = await classic(
      (_request, response) => {
        closed = once(response, 'close')
        for (const line of MADE) response.write(`${JSON.stringify(line)}\n`)
      },
      { ping, answers: { ...removable('333333333333'), ...removable('444444444444') } },
    )
    const { events: told, onEvent } = recorder()
    await expect(
      engine.build(buildRequest(), {
        signal: stop.signal,
        onEvent: (event) => {
          onEvent(event)
          if (event.kind === 'step' && event.step === 4) setImmediate(() => stop.abort(reason))
        },
      }),
    ).rejects.toBe(reason)
    await closed
    expect(deletions(requests)).toEqual([
      ['444444444444', `?noprune=true&force=${force}`],
      ['333333333333', `?noprune=true&force=${force}`],
    ])
    const warnings = told.flatMap((event) => (event.kind === 'warning' ? event.message : []))
    expect(warnings).toEqual(ping === PODMAN ? [expect.stringContaining('goes on in the engine')] : [])
  })
})
