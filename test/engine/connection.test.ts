import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { dieAfter, engineAt, json, listen, scriptedEngine, temporaryFolder } from './scripted-engine.ts'

const IMAGE = { Id: `sha256:${'a'.repeat(64)}`, Os: 'linux', Architecture: 'amd64' }
const INSPECT = 'GET /images/app:1/json'

describe('no engine', () => {
  test('nothing is looked at before the first call', () => {
    expect(() => engineAt('nonsense here')).not.toThrow()
  })

  test.each([
    ['unix:///nonexistent/docker.sock', 'there is no such socket'],
    ['tcp://127.0.0.1:1', 'nothing listens there'],
    ['tcp://engine.invalid:2375', /there is no such host|cannot be looked up/],
  ])('%s', async (host, reason) => {
    const error: unknown = await engineAt(host)
      .inspectImage('app:1')
      .catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'ENGINE_UNREACHABLE', context: [] })
    expect(error).toHaveProperty('message', expect.stringContaining(host))
    expect(error).toHaveProperty('message', expect.stringMatching(reason))
  })

  test('a socket that this user may not use says how to be allowed', async () => {
    const { connectAs } = await forbiddenSocket()
    await expect(connectAs()).resolves.toMatch(/permission denied[\s\S]*usermod -aG docker/)
  })

  test('something else listens', async () => {
    const socket = await listen((_request, response) => response.writeHead(404).end('<html>'))
    await expect(engineAt(`unix://${socket}`).info()).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringContaining('no container engine: GET /_ping answered 404'),
    })
  })

  test('something that closes each connection', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'dead.sock')
    const server = createServer((socket: Socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => void server.close())
    await expect(engineAt(`unix://${path}`).info()).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  test('the next call looks again', async () => {
    let status = 500
    const socket = await listen((request, response) => {
      if (request.url === '/_ping') response.writeHead(status, { 'api-version': '1.41' }).end()
      else json(IMAGE)(request, response)
    })
    const engine = engineAt(`unix://${socket}`)
    await expect(engine.inspectImage('app:1')).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
    status = 200
    await expect(engine.inspectImage('app:1')).resolves.toMatchObject({ id: IMAGE.Id })
  })
})

describe('the API version', () => {
  test.each([
    ['1.41', undefined, '/v1.41/'],
    ['1.51', undefined, '/v1.51/'],
    ['1.60', '1.44', '/v1.51/'],
    ['1.60', '1.55', '/v1.55/'],
    ['2.0', '1.24', '/v1.51/'],
  ])('engine %s, minimum %s', async (newest, oldest, expected) => {
    const { engine, requests } = await scriptedEngine({
      ping: { 'api-version': newest },
      answers: { [INSPECT]: json(IMAGE), 'GET /version': json({ MinAPIVersion: oldest }) },
    })
    await engine.inspectImage('app:1')
    expect(requests[0]).toBe('GET /_ping')
    expect(requests.at(-1)).toContain(expected)
  })

  test('is agreed on once', async () => {
    const { engine, requests } = await scriptedEngine({ answers: { [INSPECT]: json(IMAGE) } })
    await Promise.all([engine.inspectImage('app:1'), engine.inspectImage('app:1')])
    await engine.inspectImage('app:1')
    expect(requests.filter((request) => request.endsWith('/_ping'))).toHaveLength(1)
  })
})

describe('an answer', () => {
  test('that is cut off is an error, not an endless wait', async () => {
    const { engine } = await scriptedEngine({ answers: { [INSPECT]: dieAfter('{"Id":') } })
    await expect(engine.inspectImage('app:1')).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining('GET /images/app:1/json'),
    })
  })

  test('that never comes ends with the signal, with its reason', async () => {
    const { engine } = await scriptedEngine({ answers: { [INSPECT]: () => {} } })
    const stop = new AbortController()
    const reason = new Error('stopped by the user')
    const waiting = engine.inspectImage('app:1', stop.signal)
    setTimeout(() => stop.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)
  })

  test('that stops half way ends with the signal', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped by the user')
    const { engine } = await scriptedEngine({
      answers: {
        [INSPECT]: (_request, response) => {
          response.write('{"Id":', () => stop.abort(reason))
        },
      },
    })
    await expect(engine.inspectImage('app:1', stop.signal)).rejects.toBe(reason)
  })

  test('of a proxy is shown without its control characters', async () => {
    const { engine } = await scriptedEngine({
      answers: { [INSPECT]: (_request, response) => response.writeHead(502).end('bad \u001b[2Jgateway') },
    })
    await expect(engine.inspectImage('app:1')).rejects.toMatchObject({
      code: 'ENGINE_ERROR',
      status: 502,
      message: expect.stringContaining('bad \\x1b[2Jgateway'),
    })
  })

  test('that is not JSON', async () => {
    const { engine } = await scriptedEngine({
      answers: { [INSPECT]: (_request, response) => response.end('{') },
    })
    await expect(engine.inspectImage('app:1')).rejects.toMatchObject({ code: 'ENGINE_ERROR' })
  })
})

test('an engine behind a path on TCP is asked by its own name', async () => {
  const headers: (string | undefined)[] = []
  const urls: (string | undefined)[] = []
  const server = createHttpServer((request, response) => {
    headers.push(request.headers.host)
    urls.push(request.url)
    response.writeHead(200, { 'api-version': '1.41' }).end(JSON.stringify(IMAGE))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  await engineAt(`http://127.0.0.1:${port}/engine/`).inspectImage('app:1')
  expect(urls).toEqual(['/engine/_ping', '/engine/v1.41/images/app:1/json'])
  expect(new Set(headers)).toEqual(new Set([`127.0.0.1:${port}`]))
})

test("the process's own DOCKER_* variables do not count: the environment is handed in", async () => {
  const { engine, headers } = await scriptedEngine({
    answers: { [INSPECT]: (request, response) => void setTimeout(() => json(IMAGE)(request, response), 30) },
  })
  vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1')
  vi.stubEnv('DOCKER_TLS_VERIFY', '1')
  vi.stubEnv('DOCKER_CLIENT_TIMEOUT', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  await expect(engine.inspectImage('app:1')).resolves.toMatchObject({ id: IMAGE.Id })
  expect(headers.at(-1)?.host).toBe('localhost')
})

/** The test itself may be root, whom no permission stops: another user asks. */
async function forbiddenSocket() {
  const folder = await temporaryFolder()
  const socket = join(folder, 'docker.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  onTestFinished(() => void server.close())
  await chmod(socket, 0o000)
  await chmod(folder, 0o755)
  const source = new URL('../../src/engine/engine.ts', import.meta.url)
  const program = `
    import { createEngine } from ${JSON.stringify(source.href)}
    if (process.getuid() === 0) process.setuid(65534)
    const environment = { variables: {}, home: '/nonexistent', platform: 'linux' }
    const engine = createEngine({ host: ${JSON.stringify(`unix://${socket}`)}, environment })
    await engine.info().catch((error) => console.log(error.message, error.hint))`
  const connectAs = async () => {
    const args = ['--input-type=module-typescript', '--eval', program]
    return (await promisify(execFile)(process.execPath, args)).stdout
  }
  return { connectAs }
}
