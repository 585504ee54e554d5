import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { writeContext } from '../engine/docker-context.ts'
import { callEngine } from '../services/engine.ts'
import { ENGINE } from '../services/engines.ts'
import { type EngineName, fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import { tarOf } from './archives.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'

const MATERIAL = fileURLToPath(new URL('../engine/tls/', import.meta.url))
const RUN = `context-${process.pid}`

let server: TestServer
let folder: string
let env: Record<string, string>
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-contexts-'))
  // An engine that nobody can reach is the one in force: what works, works by its context.
  env = { ...server.env, DOCKER_CONFIG: join(folder, 'docker'), DOCKER_HOST: 'unix:///nowhere/docker.sock' }
  await mkdir(env['DOCKER_CONFIG']!)
  await mkdir(join(folder, 'app'))
  await writeFile(join(folder, 'app/Dockerfile'), 'FROM scratch\nCOPY Dockerfile /app\nCMD ["/app"]\n')
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Another one than that of the run. */
const OTHER: EngineName = ENGINE === 'podman' ? 'dockerClassic' : 'podman'
const PRODUCTS = { dockerClassic: 'Docker', dockerContainerd: 'Docker', podman: 'Podman' }

describeWith([ENGINE, OTHER], 'the engine of a docker context', () => {
  beforeAll(async () => {
    await Promise.all([fixtureImages(ENGINE), fixtureImages(OTHER)])
    for (const name of [ENGINE, OTHER]) {
      await writeContext(env['DOCKER_CONFIG']!, name, { host: `unix://${service(name).socketPath}` })
    }
    await writeFile(join(folder, 'rootfs.tar'), await tarOf({ app: 'x' }))
  })
  afterAll(async () => {
    const { socketPath } = service(ENGINE)
    for (const tag of ['imported', 'tagged', 'built', 'committed']) {
      await callEngine(socketPath, `/images/${RUN}:${tag}?force=true`, { method: 'DELETE' }).catch(() => {})
    }
  })
  const run = (...args: string[]) => imgctl(args, { env })
  const rootfs = () => join(folder, 'rootfs.tar')
  const archive = () => join(folder, 'hello.tar')

  test.each<[command: string, args: () => string[]]>([
    ['doctor', () => []],
    ['image list', () => ['--local']],
    ['image save', () => [IMAGES.hello, '-o', archive()]],
    ['image load', () => ['-i', archive()]],
    ['image history', () => [IMAGES.hello]],
    ['image inspect', () => [IMAGES.hello]],
    ['image import', () => [rootfs(), `${RUN}:imported`]],
    ['image tag', () => [`${RUN}:imported`, `${RUN}:tagged`]],
    ['image build', () => ['-t', `${RUN}:built`, join(folder, 'app')]],
    ['image delete', () => ['--local', `${RUN}:tagged`]],
    ['image prune', () => ['--dry-run', '--filter', `label=${RUN}`]],
    ['image push', () => [IMAGES.hello, '--name', 'team/hello:1.0', '--dry-run']],
  ])('%s', async (command, args) => {
    for (const flag of ['--context', '--docker-context']) {
      const result = await run(...command.split(' '), ...args(), flag, ENGINE)
      // The doctor finds fault with the certificates or the disk of the machine, and that is not of matter here.
      if (command === 'doctor')
        expect(result.stdout).toMatch(new RegExp(`✓ engine .*docker context '${ENGINE}'`))
      else expect(result, flag).toMatchObject({ code: 0 })
      if (command === 'image delete')
        await run('image', 'tag', `${RUN}:imported`, `${RUN}:tagged`, flag, ENGINE)
    }
    const nowhere = await run(...command.split(' '), ...args())
    if (command === 'doctor') expect(nowhere.stdout).toContain('✗ engine')
    else
      expect(nowhere).toMatchObject({
        code: 8,
        stderr: expect.stringContaining('/nowhere/docker.sock (DOCKER_HOST)'),
      })
  })

  test('commit, pull and search ask it too', async () => {
    for (const args of [
      ['commit', 'none'],
      ['pull', '127.0.0.1:1/none:1'],
      ['search', '127.0.0.1:1/none'],
    ]) {
      const result = await run('image', ...args, '--context', ENGINE, '--debug')
      expect(result.code).toBeGreaterThan(0)
      expect(result.stderr, args.join(' ')).not.toContain('no container engine')
    }
  })

  test('each context is its own engine', async () => {
    const other = await run('doctor', '--context', OTHER)
    expect(other.stdout).toMatch(new RegExp(`✓ engine +${PRODUCTS[OTHER]} .*docker context '${OTHER}'`))
  })

  test('push builds a folder with --context, in the engine of --docker-context', async () => {
    const dockerfile = join(folder, 'app/Dockerfile')
    const args = [
      'image',
      'push',
      'team/app:2.0',
      '--dockerfile',
      dockerfile,
      '--context',
      join(folder, 'app'),
    ]
    const elsewhere = await run(...args)
    expect(elsewhere).toMatchObject({ code: 8, stderr: expect.stringContaining('/nowhere/docker.sock') })
    const pushed = await run(...args, '--docker-context', ENGINE)
    expect(pushed.stderr).toContain('Successfully pushed team/app:2.0')
    expect(pushed).toMatchObject({ code: 0, stdout: expect.stringMatching(/\/team\/app@sha256:/) })
  })

  test('its TLS material opens the engine and checks who answers', async () => {
    const host = await behindTls(service(ENGINE).socketPath)
    const config = env['DOCKER_CONFIG']!
    const [ca, cert, key] = await Promise.all(
      ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFile(join(MATERIAL, name), 'utf8')),
    )
    await writeContext(config, 'secure', { host, tls: { 'ca.pem': ca!, 'cert.pem': cert!, 'key.pem': key! } })
    await writeContext(config, 'stranger', { host, tls: { 'ca.pem': ca! } })
    await writeContext(config, 'forged', { host, tls: { 'cert.pem': cert!, 'key.pem': key! } })
    const list = ['image', 'list', '--local', '--quiet', '--context']
    expect(await run(...list, 'secure')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('sha256:'),
    })
    for (const name of ['stranger', 'forged']) {
      const refused = await run(...list, name)
      expect(refused, name).toMatchObject({ code: 8, stdout: '' })
      expect(refused.stderr).toContain(`docker context '${name}'`)
    }
  })
})

describe('without an engine', () => {
  test('a context that docker does not have: those that it has', async () => {
    const config = await mkdtemp(join(folder, 'config-'))
    await writeContext(config, 'colima', { host: 'unix:///colima.sock' })
    await writeContext(config, 'build-farm', { host: 'ssh://farm' })
    for (const command of [
      ['list', '--local'],
      ['save', 'app:1'],
      ['push', 'app:1'],
      ['build', 'app'],
    ]) {
      const args = ['image', ...command, '--context', 'gone', '--progress', 'json']
      if (command[0] === 'list') args.splice(-2, 2, '--format', 'json')
      const result = await imgctl(args, { env: { ...env, DOCKER_CONFIG: config }, cwd: folder })
      expect(result.code, args.join(' ')).toBe(3)
      expect(jsonError(result)).toMatchObject({
        code: 'NOT_FOUND',
        message: `docker has no context 'gone' in ${config}`,
        hint: 'contexts: default, build-farm, colima',
      })
    }
  })

  test('two engines at once are refused', async () => {
    const both = ['image', 'list', '--local', '--host', 'unix:///a.sock', '--context', 'a']
    expect(await imgctl(both, { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('two engines'),
    })
    const names = ['image', 'push', 'a:1', '--context', 'one', '--docker-context', 'other']
    expect(await imgctl(names, { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('two docker contexts'),
    })
  })

  test('a context goes with --local only where the server is meant', async () => {
    const result = await imgctl(['image', 'list', '--context', 'a'], { env })
    expect(result).toMatchObject({ code: 2, stderr: 'error: --context goes with --local\n' })
  })
})

/** The engine of a socket behind TLS, for those only who have the client certificate; until the test ends. */
async function behindTls(socketPath: string): Promise<string> {
  const [ca, cert, key] = ['ca.pem', 'server.pem', 'server.key'].map((name) =>
    readFileSync(join(MATERIAL, name)),
  )
  const listener = createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, (client) => {
    const engine = connect(socketPath)
    client.on('error', () => engine.destroy()).pipe(engine)
    engine.on('error', () => client.destroy()).pipe(client)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void listener.close())
  return `tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`
}
