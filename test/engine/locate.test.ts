import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EngineEnvironment } from '../../src/engine/environment.ts'
import { locate } from '../../src/engine/locate.ts'
import { writeContext } from './docker-context.ts'
import { emptyEnvironment, temporaryFolder } from './scripted-engine.ts'

async function environmentWith(
  variables: Record<string, string>,
  rest: Partial<EngineEnvironment> = {},
): Promise<EngineEnvironment> {
  return { ...emptyEnvironment(await temporaryFolder()), variables, ...rest }
}

async function hosts(environment: EngineEnvironment, choice = {}): Promise<string[]> {
  return (await locate(environment, choice)).map((place) => place.endpoint.host)
}

describe('the place of the engine', () => {
  test('--host goes before --context, DOCKER_HOST, DOCKER_CONTEXT and the current context', async () => {
    const environment = await environmentWith({ DOCKER_HOST: 'tcp://env:1', DOCKER_CONTEXT: 'named' })
    const folder = join(environment.home, '.docker')
    await writeContext(folder, 'flag', { host: 'tcp://flag-context:1' })
    await writeContext(folder, 'named', { host: 'tcp://env-context:1' })
    await writeContext(folder, 'current', { host: 'tcp://current:1' })
    await writeFile(join(folder, 'config.json'), JSON.stringify({ currentContext: 'current' }))

    expect(await hosts(environment, { host: 'tcp://flag:1', context: 'flag' })).toEqual(['tcp://flag:1'])
    expect(await hosts(environment, { context: 'flag' })).toEqual(['tcp://flag-context:1'])
    expect(await hosts(environment)).toEqual(['tcp://env:1'])
    const { DOCKER_HOST: _, ...named } = environment.variables
    expect(await hosts({ ...environment, variables: named })).toEqual(['tcp://env-context:1'])
    expect(await hosts({ ...environment, variables: {} })).toEqual(['tcp://current:1'])
  })

  test('says who named it', async () => {
    const [place] = await locate(await environmentWith({ DOCKER_HOST: 'tcp://env:1' }))
    expect(place?.origin).toBe('DOCKER_HOST')
  })

  test('DOCKER_CONFIG moves the docker folder', async () => {
    const folder = await temporaryFolder()
    await writeContext(folder, 'c', { host: 'unix:///c.sock' })
    expect(await hosts(await environmentWith({ DOCKER_CONFIG: folder, DOCKER_CONTEXT: 'c' }))).toEqual([
      'unix:///c.sock',
    ])
  })

  test('a context brings its TLS material', async () => {
    const environment = await environmentWith({ DOCKER_CONTEXT: 'secure' })
    const tls = { 'ca.pem': 'CA', 'cert.pem': 'CERT', 'key.pem': 'KEY' }
    await writeContext(join(environment.home, '.docker'), 'secure', { host: 'tcp://far', tls })
    const [place] = await locate(environment)
    expect(place?.endpoint).toMatchObject({
      port: 2376,
      tls: { verify: true, ca: Buffer.from('CA'), cert: Buffer.from('CERT'), key: Buffer.from('KEY') },
    })
  })

  test('a context without TLS material is plain, and one that skips the check has TLS', async () => {
    const environment = await environmentWith({})
    const folder = join(environment.home, '.docker')
    await writeContext(folder, 'plain', { host: 'tcp://far' })
    await writeContext(folder, 'unchecked', { host: 'tcp://far', skipTlsVerify: true })
    const [plain] = await locate(environment, { context: 'plain' })
    expect(plain?.endpoint).not.toHaveProperty('tls')
    const [unchecked] = await locate(environment, { context: 'unchecked' })
    expect(unchecked?.endpoint).toMatchObject({ tls: { verify: false } })
  })

  test.each([
    [{ DOCKER_TLS_VERIFY: '1' }, { verify: true, ca: Buffer.from('CA') }],
    [{ DOCKER_TLS: '1' }, { verify: false, ca: Buffer.from('CA') }],
  ])('DOCKER_HOST with %j', async (variables, tls) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'ca.pem'), 'CA')
    const [place] = await locate(
      await environmentWith({ DOCKER_HOST: 'tcp://far', DOCKER_CERT_PATH: folder, ...variables }),
    )
    expect(place?.endpoint).toMatchObject({ port: 2376, tls })
  })

  test('a context that is not there is an error, never another engine', async () => {
    const environment = await environmentWith({ DOCKER_CONTEXT: 'gone' })
    await writeContext(join(environment.home, '.docker'), 'there', { host: 'unix:///there.sock' })
    await expect(locate(environment)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining("'gone'"),
      hint: 'contexts: default, there',
    })
  })

  test('a config.json that is not JSON is named', async () => {
    const environment = await environmentWith({})
    const folder = join(environment.home, '.docker')
    await mkdir(folder)
    await writeFile(join(folder, 'config.json'), '{')
    await expect(locate(environment)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining(join(folder, 'config.json')),
    })
  })
})

describe('the usual places', () => {
  test('on Unix: system sockets, then those of the user, then Podman', async () => {
    const found = await hosts({ variables: {}, home: '/home/me', platform: 'linux', uid: 7 })
    expect(found).toEqual([
      'unix:///var/run/docker.sock',
      'unix:///home/me/.docker/run/docker.sock',
      'unix:///home/me/.docker/desktop/docker.sock',
      'unix:///home/me/.colima/default/docker.sock',
      'unix:///home/me/.config/colima/default/docker.sock',
      'unix:///home/me/.orbstack/run/docker.sock',
      'unix:///home/me/.rd/docker.sock',
      'unix:///run/user/7/docker.sock',
      'unix:///run/user/7/podman/podman.sock',
      'unix:///run/podman/podman.sock',
      'unix:///home/me/.local/share/containers/podman/machine/podman.sock',
    ])
  })

  test("Colima's variables say where its sockets are", async () => {
    const variables = { COLIMA_HOME: '/c', COLIMA_PROFILE: 'work' }
    const found = await hosts({ variables, home: '/h', platform: 'linux' })
    expect(found).toContain('unix:///c/work/docker.sock')
    expect(found).toContain('unix:///h/.config/colima/work/docker.sock')
  })

  test('XDG_RUNTIME_DIR says where the rootless sockets are', async () => {
    const variables = { XDG_RUNTIME_DIR: '/tmp/run' }
    expect(await hosts({ variables, home: '/h', platform: 'linux', uid: 7 })).toContain(
      'unix:///tmp/run/podman/podman.sock',
    )
  })

  test("docker's context named default means them too", async () => {
    const variables = { DOCKER_CONTEXT: 'default' }
    expect((await hosts({ variables, home: '/h', platform: 'linux' }))[0]).toBe('unix:///var/run/docker.sock')
  })

  test('on Windows: named pipes', async () => {
    const found = await hosts({ variables: {}, home: 'C:\\me', platform: 'win32' })
    expect(found[0]).toBe('npipe:////./pipe/docker_engine')
    expect(found.every((host) => host.startsWith('npipe://'))).toBe(true)
  })
})
