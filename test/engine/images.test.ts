import { describe, expect, test } from 'vitest'
import { json, scriptedEngine } from './scripted-engine.ts'

const ID = `sha256:${'a'.repeat(64)}`
const LAYER = `sha256:${'b'.repeat(64)}`

describe('an image', () => {
  test('has what the engine says', async () => {
    const { engine } = await scriptedEngine({
      answers: {
        'GET /images/app:1/json': json({
          Id: ID,
          Os: 'Linux',
          Architecture: 'aarch64',
          Variant: 'v8',
          Size: 42,
          RepoTags: ['app:1'],
          RootFS: { Layers: [LAYER] },
          Config: { Entrypoint: ['/app'], Cmd: null },
        }),
      },
    })
    expect(await engine.inspectImage('app:1')).toEqual({
      id: ID,
      platform: { os: 'linux', architecture: 'arm64' },
      size: 42,
      repoTags: ['app:1'],
      diffIDs: [LAYER],
      entrypoint: ['/app'],
      cmd: [],
    })
  })

  test('may lack everything but its id', async () => {
    const answers = { 'GET /images/abc123/json': json({ Id: 'a'.repeat(64), RepoTags: null }) }
    const { engine } = await scriptedEngine({ answers })
    expect(await engine.inspectImage('abc123')).toMatchObject({ id: ID, repoTags: [], diffIDs: [], cmd: [] })
  })

  test.each([{}, { Id: 'sha256:short' }, [], null, { Id: ID, RootFS: { Layers: ['x'] } }])(
    'described as %j is an error',
    async (answer) => {
      const { engine } = await scriptedEngine({ answers: { 'GET /images/app:1/json': json(answer) } })
      await expect(engine.inspectImage('app:1')).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
    },
  )

  test.each(['../containers/json', 'app?x=1', 'app#', 'a b', '', 'App:1', 'app:1/../../info', '%2e%2e'])(
    'named %j is not asked for',
    async (name) => {
      const { engine, requests } = await scriptedEngine()
      await expect(engine.inspectImage(name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
      await expect(engine.exportImage(name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
      await expect(engine.tagImage('app:1', name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
      await expect(engine.untagImage(name)).rejects.toMatchObject({ code: 'NAME_INVALID' })
      await expect(engine.pushImage(name, undefined, {})).rejects.toMatchObject({ code: 'NAME_INVALID' })
      expect(requests).toEqual(['GET /_ping'])
    },
  )
})

describe('an image that is not there', () => {
  const missing = { 'GET /images/ap:1/json': json({ message: 'No such image: ap:1' }, 404) }

  test('comes with the names that may have been meant', async () => {
    const list = json([
      { RepoTags: ['docker.io/library/app:1', 'app:2'] },
      { RepoTags: null },
      { RepoTags: ['<none>:<none>', 'other/thing:3'] },
    ])
    const { engine } = await scriptedEngine({ answers: { ...missing, 'GET /images/json': list } })
    await expect(engine.inspectImage('ap:1')).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      hint: 'did you mean app:1?',
    })
  })

  test('is not there, also when the engine cannot list', async () => {
    const answers = { ...missing, 'GET /images/json': json({ message: 'broken' }, 500) }
    const { engine } = await scriptedEngine({ answers })
    await expect(engine.inspectImage('ap:1')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  test('cannot be exported', async () => {
    const answers = { 'GET /images/app:1/get': json({ message: 'reference does not exist' }, 404) }
    const { engine } = await scriptedEngine({ answers })
    await expect(engine.exportImage('app:1')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })
})

describe('an engine', () => {
  const VERSION = { Version: '28.5.2', Os: 'linux', Arch: 'amd64' }

  test.each([
    ['classic', null],
    ['classic', [['Backing Filesystem', 'extfs']]],
    ['containerd', [['driver-type', 'io.containerd.snapshotter.v1']]],
  ])('keeps images in the %s store', async (store, DriverStatus) => {
    const { engine, socketPath } = await scriptedEngine({
      answers: { 'GET /version': json(VERSION), 'GET /info': json({ DriverStatus }) },
    })
    expect(await engine.info()).toEqual({
      product: 'docker',
      version: '28.5.2',
      apiVersion: '1.41',
      store,
      platform: { os: 'linux', architecture: 'amd64' },
      host: `unix://${socketPath}`,
    })
  })

  test('may be Podman', async () => {
    const { engine } = await scriptedEngine({
      ping: { 'api-version': '1.41', 'libpod-api-version': '4.3.1' },
      answers: { 'GET /version': json({ Version: '4.3.1' }), 'GET /info': json({ Architecture: 'x86_64' }) },
    })
    expect(await engine.info()).toMatchObject({ product: 'podman', platform: { architecture: 'amd64' } })
  })
})

describe('the bytes of an image', () => {
  test('end with the request when nobody wants them any more', async () => {
    let closed: Promise<unknown> = Promise.resolve()
    const { engine } = await scriptedEngine({
      answers: {
        'GET /images/app:1/get': (_request, response) => {
          closed = new Promise((resolve) => response.on('close', resolve))
          response.write(Buffer.alloc(1000))
        },
      },
    })
    const stream = await engine.exportImage('app:1')
    stream.destroy()
    await closed
  })

  test('end with the signal', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    let closed: Promise<unknown> = Promise.resolve()
    const { engine } = await scriptedEngine({
      answers: {
        'GET /images/app:1/get': (_request, response) => {
          closed = new Promise((resolve) => response.on('close', resolve))
          response.write(Buffer.alloc(1000))
        },
      },
    })
    const stream = await engine.exportImage('app:1', stop.signal)
    const reading = stream.forEach(() => {
      stop.abort(reason)
    })
    await expect(reading).rejects.toBe(reason)
    await closed
  })

  test('end with the signal also before anybody reads them', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    const { engine } = await scriptedEngine({
      answers: { 'GET /images/app:1/get': (_request, response) => void response.write(Buffer.alloc(1000)) },
    })
    const stream = await engine.exportImage('app:1', stop.signal)
    stop.abort(reason)
    await new Promise((resolve) => stream.on('close', resolve))
    await expect(stream.forEach(() => {})).rejects.toBe(reason)
  })

  test('that end too early are an error', async () => {
    const { engine } = await scriptedEngine({
      answers: {
        'GET /images/app:1/get': (_request, response) => {
          response.write(Buffer.alloc(1000), () => response.socket?.destroy())
        },
      },
    })
    const stream = await engine.exportImage('app:1')
    await expect(stream.forEach(() => {})).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringContaining('GET /images/app:1/get'),
    })
  })
})
