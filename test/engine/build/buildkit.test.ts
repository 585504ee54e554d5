import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { ImgctlError } from '../../../src/errors/error.ts'
import type { BuildFiles, BuildRequest } from '../../../src/ports/engine-build.ts'
import { folderFiles, sentFile } from './memory-files.ts'
import {
  BUILT,
  buildRequest,
  DIFF_COPY,
  framed,
  IMAGE_ID,
  recorder,
  scriptedBuildKit,
  trace,
} from './scripted-buildkit.ts'
import { log, message, status, vertex } from './status-messages.ts'

const building = (...lines: unknown[]) =>
  scriptedBuildKit(async ({ context, say, response }) => {
    await context()
    for (const line of lines) say(line)
    response.end()
  })

describe('a build is done', () => {
  test('when the engine says an image and has it', async () => {
    const { engine, sessionClosed } = await building(BUILT, { stream: 'Successfully tagged app:1\n' })
    expect(await engine.build(buildRequest())).toEqual({ imageId: IMAGE_ID, builder: 'buildkit' })
    await sessionClosed
  })

  test.each<[string, unknown[], object]>([
    ['nothing', [], { code: 'ENGINE_ERROR', retryable: true }],
    ['steps alone', [trace(status({ vertexes: [vertex({ completed: true })] }))], { code: 'ENGINE_ERROR' }],
    ['an image without an id', [{ id: 'moby.image.id', aux: {} }], { code: 'ENGINE_ERROR' }],
    ['an error after the image', [BUILT, { error: 'no space left on device' }], { code: 'DISK_FULL' }],
    ['errorDetail alone', [BUILT, { errorDetail: { message: 'x' } }], { code: 'BUILD_FAILED' }],
    ['something that is no message', [BUILT, 'text'], { code: 'ENGINE_ERROR' }],
    ['a trace that is none', [trace(Buffer.from([0xff])), BUILT], { code: 'ENGINE_ERROR' }],
    ['an id that is none', [{ id: 'moby.image.id', aux: { ID: '../../x' } }], { code: 'NAME_INVALID' }],
  ])('not by %s', async (_case, lines, expected) => {
    const { engine, sessionClosed } = await building(...lines)
    await expect(engine.build(buildRequest())).rejects.toMatchObject(expected)
    await sessionClosed
  })

  test('not when the engine dies, even after the image', async () => {
    const { engine, sessionClosed } = await scriptedBuildKit(async ({ context, response }) => {
      await context()
      response.write(`${JSON.stringify(BUILT)}\n`, () => response.socket?.destroy())
    })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      retryable: true,
    })
    await sessionClosed
  })

  test('not by an error in a last line without an end', async () => {
    const { engine } = await scriptedBuildKit(async ({ context, response }) => {
      await context()
      response.end(`${JSON.stringify(BUILT)}\n{"error":"late"}`)
    })
    await expect(engine.build(buildRequest())).rejects.toMatchObject({ code: 'BUILD_FAILED' })
  })
})

test('the request says all that was asked for, and the context is fetched by the session', async () => {
  let sent: unknown
  const { engine, requests, sessionHeaders } = await scriptedBuildKit(
    async ({ context, request, say, response }) => {
      expect((await buffer(request)).length).toBe(0)
      sent = [(await context()).contents, (await context('dockerfile')).contents]
      say(BUILT)
      response.end()
    },
  )
  const { events, onEvent } = recorder()
  const request = buildRequest({
    dockerfile: { name: 'docker/D', fileName: 'D', content: Buffer.from('FROM scratch') },
    ...{ tags: ['app:1', 'r.example/app:2'], target: 'prod' },
    ...{ platform: { os: 'linux', architecture: 'amd64' }, buildArgs: { V: 'a b&c' }, labels: { l: 'é' } },
    ...{ noCache: true, pull: true, cacheFrom: ['app:0'] },
  })
  await engine.build(request, { onEvent })
  expect(sent).toEqual([
    { 'a.txt': 'one', b: 'two' },
    // A comment: the rules were applied here.
    { D: 'FROM scratch', 'D.dockerignore': expect.stringMatching(/^# .*\n$/) },
  ])
  expect(events).toEqual([
    { kind: 'builder', builder: 'buildkit' },
    { kind: 'context', bytes: 6, done: true },
  ])
  const url = new URL(requests.find((line) => line.includes('/build?'))?.split(' ')[1] ?? '', 'http://engine')
  const id = sessionHeaders()['x-docker-expose-session-uuid']?.[0]
  expect(url.searchParams.getAll('t')).toEqual(['app:1', 'r.example/app:2'])
  url.searchParams.delete('t')
  expect(Object.fromEntries(url.searchParams)).toEqual({
    ...{ dockerfile: 'D', platform: 'linux/amd64', target: 'prod', nocache: '1', pull: '1' },
    ...{ buildargs: '{"V":"a b&c"}', labels: '{"l":"é"}', cachefrom: '["app:0"]', rm: '1', forcerm: '1' },
    ...{ version: '2', remote: 'client-session', session: id, buildid: id },
  })
})

test('the session says who it is and what it answers', async () => {
  const { engine, requests, sessionHeaders } = await building(BUILT)
  await engine.build(buildRequest())
  expect(requests).toContain('POST /v1.41/session')
  const headers = sessionHeaders()
  expect(headers['x-docker-expose-session-uuid']?.[0]).toMatch(/^[0-9a-f]{32}$/)
  expect(headers['x-docker-expose-session-name']).toEqual(['imgctl'])
  expect(headers['x-docker-expose-session-sharedkey']).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)])
  expect(headers['x-docker-expose-session-grpc-method']).toEqual([
    '/grpc.health.v1.Health/Check',
    '/moby.filesync.v1.FileSync/DiffCopy',
    '/moby.filesync.v1.Auth/Credentials',
    '/moby.buildkit.secrets.v1.Secrets/GetSecret',
    '/moby.sshforward.v1.SSH/CheckAgent',
    '/moby.sshforward.v1.SSH/ForwardAgent',
  ])
})

test('a step that failed is named, with its last lines', async () => {
  const name = '[2/2] RUN make'
  const { engine } = await building(
    trace(status({ vertexes: [vertex({ name })], logs: [log('making\nno rule\n', 2)] })),
    trace(status({ vertexes: [vertex({ name, completed: true, error: 'exit code: 2' })] })),
    { errorDetail: { message: 'exit code: 2' }, error: 'exit code: 2' },
  )
  await expect(engine.build(buildRequest())).rejects.toMatchObject({
    code: 'BUILD_FAILED',
    message: '[2/2] RUN make ended with exit code 2',
    context: ['making', 'no rule'],
  })
})

test('a message as long as BuildKit makes them is read', async () => {
  const { events, onEvent } = recorder()
  const long = Buffer.alloc(1_100_000, 'x')
  const { engine } = await building(trace(status({ vertexes: [vertex({})], logs: [log(long)] })), BUILT)
  await engine.build(buildRequest(), { onEvent })
  const text = events.flatMap((event) => (event.kind === 'log' ? event.text : [])).join('')
  expect(text.length).toBe(long.length)
})

describe('the context', () => {
  const broken = new ImgctlError('FILE_UNREADABLE', 'a/b cannot be read')

  const half = async function* () {
    yield Buffer.from('half')
    throw broken
  }

  test.each<[string, BuildFiles]>([
    [
      'in a file',
      folderFiles(async function* () {
        yield sentFile('a', half)
      }),
    ],
    [
      'in its list',
      folderFiles(async function* () {
        yield sentFile('a', half)
        throw broken
      }),
    ],
  ])('that breaks %s is the error that is reported, and no context', async (_case, files) => {
    let arrived: unknown
    const { engine, requests, sessionClosed } = await scriptedBuildKit(async ({ context, say, response }) => {
      arrived = (await context()).contents
      say({ error: 'failed to read the context' })
      response.end()
    })
    await expect(engine.build(buildRequest({ files }))).rejects.toBe(broken)
    expect(arrived).toEqual({})
    await sessionClosed
    // The engine has ended the build itself.
    expect(requests.filter((line) => line.includes('/build/cancel'))).toEqual([])
  })

  test('is closed when the engine does not want all of it', async () => {
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    const endless = async function* () {
      try {
        for (;;) yield Buffer.alloc(65536)
      } finally {
        close()
      }
    }
    const files = folderFiles(async function* () {
      yield sentFile('a', endless)
    })
    const { engine } = await scriptedBuildKit(async ({ stream, say, response }) => {
      const call = stream(DIFF_COPY, { 'dir-name': 'context' })
      call.write(framed(message({ 1: 1 })))
      await once(call, 'data')
      say({ error: 'enough' })
      response.end()
    })
    await expect(engine.build(buildRequest({ files }))).rejects.toMatchObject({ code: 'BUILD_FAILED' })
    await closed
  })

  test.each<[string, Partial<BuildRequest>, string]>([
    ['a tag is none', { tags: ['App'] }, 'NAME_INVALID'],
    ['a tag has a digest', { tags: [`app:1@${IMAGE_ID}`] }, 'NAME_INVALID'],
  ])('is not even opened when %s', async (_case, more, code) => {
    const { engine, requests } = await scriptedBuildKit(async () => {})
    const files = folderFiles(() => expect.unreachable('opened'))
    await expect(engine.build(buildRequest({ files, ...more }))).rejects.toMatchObject({ code })
    expect(requests).toEqual(['GET /_ping'])
  })
})

describe('a build that is stopped', () => {
  test('is cancelled in the engine, and its session ends', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    let requestClosed: Promise<unknown> = Promise.resolve()
    const { engine, requests, sessionClosed, sessionHeaders } = await scriptedBuildKit(async (build) => {
      requestClosed = once(build.response, 'close')
      await build.context()
      build.say(trace(status({ vertexes: [vertex({})] })))
    })
    const onEvent = (event: { kind: string }) => event.kind === 'step' && stop.abort(reason)
    await expect(engine.build(buildRequest(), { signal: stop.signal, onEvent })).rejects.toBe(reason)
    const id = sessionHeaders()['x-docker-expose-session-uuid']?.[0]
    expect(requests.at(-1)).toBe(`POST /v1.41/build/cancel?id=${id}`)
    await Promise.all([requestClosed, sessionClosed])
  })

  test('while the context is sent', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    const files = folderFiles(async function* () {
      try {
        for (let i = 0; ; i++) yield sentFile(String(i), async function* () {})
      } finally {
        close()
      }
    })
    const { engine, requests, sessionClosed } = await scriptedBuildKit(async ({ stream }) => {
      await once(stream(DIFF_COPY, { 'dir-name': 'context' }), 'data')
      stop.abort(reason)
    })
    await expect(engine.build(buildRequest({ files }), { signal: stop.signal })).rejects.toBe(reason)
    await Promise.all([sessionClosed, closed])
    expect(requests.at(-1)).toMatch(/build\/cancel\?id=/)
  })

  test('before it began asks the engine for nothing', async () => {
    const { engine, requests } = await scriptedBuildKit(async () => {})
    const request = buildRequest({ files: folderFiles(() => expect.unreachable('opened')) })
    const signal = AbortSignal.abort(new Error('stopped'))
    await expect(engine.build(request, { signal })).rejects.toThrow('stopped')
    expect(requests).toEqual([])
  })

  test('by an error of who listens is cancelled as well', async () => {
    const { engine, requests, sessionClosed } = await scriptedBuildKit(async ({ context, say }) => {
      await context()
      say(trace(status({ vertexes: [vertex({})] })))
    })
    const onEvent = ({ kind }: { kind: string }) => {
      if (kind === 'step') throw new Error('the terminal is gone')
    }
    await expect(engine.build(buildRequest(), { onEvent })).rejects.toThrow('the terminal is gone')
    await sessionClosed
    expect(requests.at(-1)).toMatch(/build\/cancel\?id=/)
  })
})

test('a warning of BuildKit is an event', async () => {
  const { events, onEvent } = recorder()
  const { engine } = await building(trace(status({ warnings: [message({ 3: 'careful' })] })), BUILT)
  await engine.build(buildRequest(), { onEvent })
  expect(events).toContainEqual({ kind: 'warning', message: 'careful' })
})
