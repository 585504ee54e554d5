import type { IncomingMessage, ServerResponse } from 'node:http'
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
      variants: [],
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
    const absent = json({ message: 'reference does not exist' }, 404)
    const answers = {
      'GET /images/app:1/get': absent,
      'GET /images/app:1/json': absent,
      'GET /images/json': json([]),
    }
    const { engine } = await scriptedEngine({ answers })
    await expect(engine.exportImage('app:1')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  test('in part cannot be exported either, and that is said', async () => {
    const message = 'NotFound: content digest sha256:ddb3: not found'
    const answers = {
      'GET /images/app:1/get': json({ message }, 404),
      'GET /images/app:1/json': json({ Id: ID }),
    }
    const { engine } = await scriptedEngine({ answers })
    await expect(engine.exportImage('app:1')).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      exitCode: 5,
      message: `the engine does not have all of app:1: ${message}`,
    })
  })
})

describe('a platform of an index', () => {
  const AMD64 = { os: 'linux', architecture: 'amd64' }
  const ARM64 = { os: 'linux', architecture: 'arm64' }
  const [AMD_DIGEST, ARM_DIGEST] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`]
  const manifest = (ID: string, Platform: object, Available: boolean) => {
    return { ID, Kind: 'image', Available, ImageData: { Platform } }
  }
  const index = (hasArm: boolean) => ({
    ...{ Id: ID, Os: 'linux', Architecture: 'amd64' },
    Descriptor: { mediaType: 'application/vnd.oci.image.index.v1+json' },
    Manifests: [
      manifest(AMD_DIGEST!, AMD64, true),
      manifest(ARM_DIGEST!, ARM64, hasArm),
      { ID: ID, Kind: 'attestation', Available: true, AttestationData: { For: AMD_DIGEST } },
      { ID: 'nonsense', Kind: 'image', Available: true, ImageData: { Platform: ARM64 } },
      null,
    ],
  })
  const inspect = (hasArm: boolean) => ({
    'GET /images/app:1/json': (request: IncomingMessage, response: ServerResponse) => {
      const platform = new URL(request.url!, 'http://engine').searchParams.get('platform')
      const chosen = platform === null ? index(hasArm) : { Id: ID, Os: 'linux', Architecture: 'arm64' }
      response.end(JSON.stringify(chosen))
    },
  })
  const ping = { 'api-version': '1.51' }

  test('is described when its content is here', async () => {
    const { engine, requests } = await scriptedEngine({ ping, answers: inspect(true) })
    const image = await engine.inspectImage('app:1', undefined, [ARM64])
    expect(image).toMatchObject({
      platform: ARM64,
      variants: [
        { platform: AMD64, digest: AMD_DIGEST, isPresent: true },
        { platform: ARM64, digest: ARM_DIGEST, isPresent: true },
      ],
    })
    expect(image.variants).toHaveLength(2)
    expect(requests.at(-1)).toContain(`platform=${encodeURIComponent(JSON.stringify(ARM64))}`)
  })

  test('is not asked for when it is not, or when it is the own one of the engine', async () => {
    const { engine, requests } = await scriptedEngine({ ping, answers: inspect(false) })
    const image = await engine.inspectImage('app:1', undefined, [ARM64])
    expect(image).toMatchObject({ platform: AMD64, variants: [{}, { platform: ARM64, isPresent: false }] })
    expect(await engine.inspectImage('app:1', undefined, [AMD64, ARM64])).toMatchObject({ platform: AMD64 })
    expect(requests).toHaveLength(3)
  })

  test('an engine without the parameters is not sent them, and what needs them is refused', async () => {
    const answers = { 'GET /images/app:1/json': json({ Id: ID, Os: 'linux', Architecture: 'amd64' }) }
    const { engine, requests } = await scriptedEngine({ ping: { 'api-version': '1.45' }, answers })
    expect(await engine.inspectImage('app:1', undefined, [ARM64])).toMatchObject({
      platform: AMD64,
      variants: [],
    })
    const calls = [
      () => engine.exportImage('app:1', undefined, ARM64),
      () => engine.exportImages(['app:1'], { platform: ARM64 }),
      () => engine.imageHistory('app:1', undefined, ARM64),
      () => engine.describeImage('app:1', undefined, ARM64),
      () => engine.pushImage('registry.example/app:1', undefined, { platform: ARM64 }),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('linux/arm64'),
      })
    }
    expect(requests.filter((request) => request.includes('platform'))).toEqual([])
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
      ...(store === 'classic' ? { passesOver: 4 } : {}),
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
