import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { callEngine, engineList } from '../services/engine.ts'
import { ENGINE, ENGINES, testExcept } from '../services/engines.ts'
import type { EngineName } from '../services/fixtures.ts'
import { save } from '../services/fixtures.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { until } from '../support/until.ts'
import {
  imgctl,
  jsonError,
  type Options,
  type Result,
  serve,
  startImgctl,
  type TestServer,
} from './program.ts'

const SECRET = 'the-secret-that-nobody-may-see'
const HELLO = 'FROM scratch\nCOPY hello.txt /hello.txt\nENTRYPOINT ["/hello.txt"]\n'

let server: TestServer
let folder: string
let sequence = 0
beforeAll(async () => {
  server = await serve()
})
afterAll(() => server.stop())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-build-'))
  return () => rm(folder, { recursive: true, force: true })
})

for (const engine of ENGINES) {
  describeWith([engine], `a Dockerfile, with ${engine}`, () => {
    const run = (args: string[], options: Options = {}) => startRun(engine, args, options).ended

    test('is built, checked and pushed in one run, and the engine is as before', async () => {
      const file = await context(HELLO)
      const before = await images(engine)
      const result = await run(['image', 'push', '--dockerfile', file, '--name', `built:${engine}`])
      expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/\/default\/built@sha256:/) })
      // BuildKit is sent what the Dockerfile copies.
      expect(result.stderr).toMatch(engine === 'podman' ? /^context: 2 files, /m : /^context: 1 file, /m)
      expect(await images(engine)).toEqual(before)
      expect(await state(`built:${engine}`)).toBe('active')
    })

    test('with a name of its own keeps that tag, as docker build -t does', async () => {
      const name = `imgctl-own-${engine.toLowerCase()}:${++sequence}`
      const result = await run(['image', 'push', name, '--dockerfile', await context(HELLO)])
      expect(result.code).toBe(0)
      expect((await images(engine)).filter((tag) => tag.endsWith(name))).toHaveLength(1)
      await callEngine(service(engine).socketPath, `/images/${name}`, { method: 'DELETE' })
    })

    describeWith(['registry'], 'with --to', () => {
      const registry = ownRegistry()
      const built = async (path: string) => {
        const answer = await fetch(`${registry().url}/v2/${path}/manifests/1`, {
          headers: {
            accept:
              'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json',
          },
        })
        return answer.headers.get('docker-content-digest')
      }

      test.each(['engine', 'direct'])('goes to that registry (--via %s), and no name stays', async (via) => {
        const before = await images(engine)
        const target = `${registry().host}/team/${via}:1`
        const args = ['--dockerfile', await context(HELLO), '--to', target, '--via', via, '--label', 'a=b']
        const result = await run(['image', 'push', ...args])
        expect(result, result.stderr).toMatchObject({ code: 0 })
        expect(result.stdout).toBe(`${registry().host}/team/${via}@${await built(`team/${via}`)}\n`)
        expect(await images(engine)).toEqual(before)
      })

      test('keeps the name that it is given, and a failed build pushes nothing', async () => {
        const name = `imgctl-own-to${engine.toLowerCase()}:${++sequence}`
        const before = await images(engine)
        const args = ['image', 'push', name, '--to', `${registry().host}/team/named:1`, '--dockerfile']
        expect(await run([...args, await context('FROM scratch\nCOPY none /none\n')])).toMatchObject({
          code: 1,
        })
        expect(await images(engine)).toEqual(before)
        expect(await built('team/named')).toBeNull()
        expect(await run([...args, await context(HELLO)])).toMatchObject({ code: 0 })
        expect((await images(engine)).filter((tag) => tag.endsWith(name))).toHaveLength(1)
        await callEngine(service(engine).socketPath, `/images/${name}`, { method: 'DELETE' })
      })
    })

    test('that fails pushes nothing: the step, its last lines and its exit code are told', async () => {
      const file = await context(`FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "for i in $(/bin/busybox seq 30); do echo line $i; done; exit 7"]
`)
      const before = await images(engine)
      const result = await run(['image', 'push', 'failing:1.0', '--dockerfile', file, '--progress', 'tty'])
      expect(result.code).toBe(1)
      expect(result.stderr).toContain('exit code 7')
      expect(result.stderr).toMatch(/^ {2}line 30$/m)
      expect(result.stderr).not.toMatch(/^ {2}line 10$/m)
      expect(await images(engine)).toEqual(before)
      expect(await state('failing:1.0')).toBeUndefined()
    })

    test('whose push fails leaves the engine as it was', async () => {
      const name = `conflict:${engine}`
      await run(['image', 'push', '--dockerfile', await context(HELLO), '--name', name])
      const before = await images(engine)
      const other = await context(`${HELLO}LABEL other=1\n`)
      const result = await run(['image', 'push', '--dockerfile', other, '--name', name, '--progress', 'json'])
      expect(result.code).toBe(7)
      expect(jsonError(result)).toMatchObject({ code: 'NAME_TAKEN' })
      expect(await images(engine)).toEqual(before)
    })

    test('for another platform is refused before it is built', async () => {
      const args = [
        'image',
        'push',
        'arm:1.0',
        '--dockerfile',
        await context(HELLO),
        '--platform',
        'linux/arm64',
      ]
      const result = await run([...args, '--progress', 'json'])
      expect(result.code).toBe(5)
      expect(jsonError(result)).toMatchObject({
        code: 'ARCH_MISMATCH',
        hint: expect.stringContaining('linux/amd64'),
      })
      expect(result.stderr).not.toContain('"build"')
    })

    const bad: [string, string, number, (file: string) => string | undefined, string[]][] = [
      ['missing', 'FILE_NOT_FOUND', 3, () => undefined, []],
      ['empty', 'USAGE', 2, () => '# nothing\n', []],
      ['based on an image that is nowhere', 'IMAGE_NOT_FOUND', 3, () => 'FROM 127.0.0.1:1/no/such:1\n', []],
      [
        'with a secret whose file is missing',
        'FILE_NOT_FOUND',
        3,
        () => HELLO,
        ['--secret', 'id=a,src=/nonexistent'],
      ],
      ['in a context that is missing', 'FILE_NOT_FOUND', 3, () => HELLO, ['--context', '/nonexistent']],
    ]
    test.each(bad)('%s: %s', async (kind, code, exit, make, more) => {
      const file = await context(make(folder) ?? HELLO)
      if (kind === 'missing') await rm(file)
      const before = await images(engine)
      const result = await run([
        'image',
        'push',
        'bad:1.0',
        '--dockerfile',
        file,
        '--progress',
        'json',
        ...more,
      ])
      // What an engine says of a registry that it cannot reach differs; that nothing is pushed does not.
      const codes = code === 'IMAGE_NOT_FOUND' ? [code, 'REGISTRY_UNREACHABLE', 'BUILD_FAILED'] : [code]
      expect(codes).toContain(jsonError(result).code)
      if (codes.length === 1) expect(result.code).toBe(exit)
      expect(await images(engine)).toEqual(before)
    })

    test('with a mistake in it: the file and the line', async () => {
      const result = await run([
        'image',
        'push',
        'typo:1.0',
        '--dockerfile',
        await context('FROM scratch\nCOPPY a b\n'),
      ])
      expect(result.code).toBe(1)
      expect(result.stderr).toMatch(/Dockerfile:2: unknown instruction: COPPY/)
    })

    test('with a build argument that looks like a secret is warned about', async () => {
      const args = ['image', 'push', '--dockerfile', await context(HELLO), '--name', `warned:${engine}`]
      const result = await run([...args, '--build-arg', 'NPM_TOKEN=x'])
      expect(result.code).toBe(0)
      expect(result.stderr).toMatch(/^warning: .*NPM_TOKEN.*--secret/m)
    })
  })
}

for (const engine of ENGINES) {
  describeWith([engine], `a secret, with ${engine}`, () => {
    const needsBuildKit = { podman: 'Podman 4.3 takes no secrets over its Docker-compatible API' }
    const title = 'reaches its RUN and nothing else: no image, history, log or debug output'
    testExcept(needsBuildKit, engine)(title, async () => {
      const file = await context(`FROM scratch
COPY busybox /bin/busybox
RUN --mount=type=secret,id=key ["/bin/busybox", "sh", "-c", "/bin/busybox sha256sum /run/secrets/key > /sum; /bin/busybox cat /run/secrets/key"]
ENTRYPOINT ["/bin/busybox"]
`)
      const name = `imgctl-secret-${engine.toLowerCase()}:1.0`
      const args = [
        'image',
        'push',
        name,
        '--dockerfile',
        file,
        '--secret',
        'id=key,env=MY_KEY',
        '--debug',
        '--no-cache',
      ]
      const result = await startRun(engine, args, { env: { MY_KEY: SECRET } }).ended
      expect(result.code).toBe(0)
      expect(result.stdout + result.stderr).not.toContain(SECRET)
      const archive = join(folder, 'image.tar')
      await save(service(engine).socketPath, [name], archive)
      expect((await readFile(archive)).includes(SECRET)).toBe(false)
      expect(server.log()).not.toContain(SECRET)
      await callEngine(service(engine).socketPath, `/images/${name}`, { method: 'DELETE' })
    })
  })
}

describeWith([ENGINE], `a build on ${ENGINE} that goes wrong`, () => {
  test.each([
    ['Dockerfile', './none.Dockerfile'],
    ['folder', './none/Dockerfile'],
  ])('without its %s never begins; the hint names the flags of a push', async (_, file) => {
    const args = ['image', 'push', 'app:1.0', '--dockerfile', file, '--progress', 'json']
    const result = await startRun(ENGINE, args).ended
    expect(result.code).toBe(3)
    expect(jsonError(result)).toMatchObject({
      code: 'FILE_NOT_FOUND',
      hint: expect.stringMatching(/^(?=.*--dockerfile FILE)(?=.*--context DIR)/),
    })
  })

  test('interrupted, ends with 130 and leaves no image', async () => {
    const file = await context(`FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sleep", "120"]
`)
    const before = await images(ENGINE)
    const run = startRun(ENGINE, ['image', 'push', 'slow:1.0', '--dockerfile', file, '--progress', 'json'])
    await until(() => run.stderr().includes('sleep'))
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130, stdout: '' })
    expect(await images(ENGINE)).toEqual(before)
  })
})

describe('without an engine', () => {
  test('a build says so', async () => {
    const env = { ...server.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
    const args = ['image', 'build', '-t', 'app:1.0', dirname(await context(HELLO)), '--progress', 'json']
    const result = await imgctl(args, { env })
    expect(result.code).toBe(8)
    expect(jsonError(result)).toMatchObject({ code: 'ENGINE_UNREACHABLE' })
  })

  test('--context alone is a mistake', async () => {
    const result = await imgctl(['image', 'push', 'app:1.0', '--context', '.'], { env: server.env })
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('--dockerfile FILE') })
  })
})

/** The processes of this file: their ids are in the names that are not to stay. */
const started: number[] = []

function startRun(engine: EngineName, args: readonly string[], { env = {}, ...rest }: Options = {}) {
  const run = startImgctl(args, {
    ...rest,
    env: { ...server.env, DOCKER_HOST: service(engine).dockerHost, ...env },
  })
  started.push(run.child.pid!)
  return run
}

/** A folder with a Dockerfile and what it copies. Answers the Dockerfile's path. */
async function context(dockerfile: string): Promise<string> {
  const root = join(folder, `context-${++sequence}`)
  await mkdir(root)
  await writeFile(join(root, 'hello.txt'), 'hello\n')
  if (dockerfile.includes('busybox')) await copyFile('/bin/busybox', join(root, 'busybox'))
  await writeFile(join(root, 'Dockerfile'), dockerfile)
  return join(root, 'Dockerfile')
}

/** The tags in the engine that a build or push of this file could leave; other test files use the engine too. */
async function images(engine: EngineName): Promise<string[]> {
  const listed = await engineList(service(engine).socketPath, '/images/json')
  const all = listed.flatMap(({ RepoTags }) => RepoTags ?? [])
  const given = /^(?:localhost\/|docker\.io\/library\/)?(?:imgctl-own-\w+|failing|arm|bad|typo|slow):/
  const isStaged = (tag: string) => started.some((pid) => /_imgctl-\w+-(\d+)-/.exec(tag)?.[1] === String(pid))
  return all.filter((tag) => given.test(tag) || isStaged(tag) || tag.startsWith(`${server.host}/`)).sort()
}

async function state(name: string): Promise<string | undefined> {
  const result: Result = await imgctl(['image', 'inspect', '--remote', name, '--format', '{{.State}}'], {
    env: server.env,
  })
  return result.code === 0 ? result.stdout.trim() : undefined
}
