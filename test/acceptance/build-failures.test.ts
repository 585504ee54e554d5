import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { labelled, processesWith } from '../engine/build/real-build.ts'
import { breakableWay } from '../integration/broken-peers.ts'
import { ENGINES } from '../services/engines.ts'
import { describeWith, service } from '../services/use.ts'
import { until } from '../support/until.ts'
import { imgctl, jsonError, startImgctl } from './program.ts'

const HELLO = 'FROM scratch\nCOPY hello.txt /hello.txt\n'
const BUSYBOX = 'FROM scratch\nCOPY busybox /bin/busybox\n'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgctl-failures-'))
  return () => rm(root, { recursive: true, force: true })
})

for (const engine of ENGINES) {
  describeWith([engine, 'registry'], `image build on ${engine} fails, and leaves nothing:`, () => {
    let label = ''
    beforeEach(() => {
      label = `failure=${aNumber()}`
    })
    const hosted = (host = service(engine).dockerHost) => ({
      env: { DOCKER_HOST: host, XDG_CACHE_HOME: root, HOME: root },
    })
    const start = (args: string[], { host, progress = 'json' }: { host?: string; progress?: string } = {}) =>
      startImgctl(['image', 'build', '--label', label, '--progress', progress, ...args], hosted(host))
    const leftOver = async () => [
      ...(await labelled(service(engine).socketPath, 'images', label)),
      ...(await labelled(service(engine).socketPath, 'containers', label)),
    ]
    /** Builds what must fail; answers the error and the exit code. */
    const failure = async (...args: string[]) => {
      const result = await start(args).ended
      expect(result.stdout).toBe('')
      expect(await leftOver()).toEqual([])
      return { ...jsonError(result), exit: result.code }
    }

    test('a mistake in the Dockerfile, with file and line', async () => {
      const folder = await context('FROM scratch\n\nCOPPY a b\n', 'app.Dockerfile')
      expect(await failure('--file', join(folder, 'app.Dockerfile'), folder)).toMatchObject({
        ...{ exit: 1, code: 'BUILD_FAILED' },
        message: expect.stringMatching(/app\.Dockerfile:3: unknown instruction: COPPY/),
      })
    })

    test('no Dockerfile, and one of comments', async () => {
      const folder = await context('# FROM scratch\n')
      expect(await failure(folder)).toMatchObject({
        exit: 2,
        code: 'USAGE',
        hint: expect.stringContaining('FROM'),
      })
      await rm(join(folder, 'Dockerfile'))
      expect(await failure(folder)).toMatchObject({
        ...{
          exit: 3,
          code: 'FILE_NOT_FOUND',
          hint: expect.stringMatching(/^name it with -f FILE; .* imgctl image build DIR$/),
        },
      })
    })

    test('a base image that is not in its registry', async () => {
      const image = `${service('registry').host}/no/such:${process.pid}`
      expect(await failure(await context(`FROM ${image}\n`))).toMatchObject({
        ...{ exit: 3, code: 'IMAGE_NOT_FOUND', message: expect.stringContaining(image) },
      })
    })

    test('a RUN, with its exit code and its last 20 lines', async () => {
      const script = 'for i in $(/bin/busybox seq 50); do echo line $i; done; exit 7'
      const folder = await context(`${BUSYBOX}RUN ["/bin/busybox", "sh", "-c", "${script}"]\n`)
      const result = await start([folder], { progress: 'tty' }).ended
      expect(result).toMatchObject({ code: 1, stdout: '' })
      const [, shown = ''] = result.stderr.split(/error: .*RUN .* ended with exit code 7\n/)
      const last = Array.from({ length: 20 }, (_, i) => `  line ${i + 31}\n`)
      expect(shown).toBe(last.join(''))
      expect(await failure(folder)).toMatchObject({ context: last.map((line) => line.trim()) })
    })

    test('a file that is not in the context', async () => {
      expect(await failure(await context('FROM scratch\nCOPY nosuch /x\n'))).toMatchObject({
        ...{ exit: 1, code: 'BUILD_FAILED', message: expect.stringContaining('nosuch') },
      })
    })

    test('a file that the ignore file leaves out', async () => {
      const folder = await context('FROM scratch\nCOPY --chown=1:1 ./docs/a.md /x\n')
      await mkdir(join(folder, 'docs'))
      await writeFile(join(folder, 'docs/a.md'), 'd')
      await writeFile(join(folder, '.dockerignore'), 'docs\n')
      expect(await failure(folder)).toMatchObject({
        ...{ exit: 1, code: 'BUILD_FAILED' },
        hint: expect.stringMatching(/^\.dockerignore leaves \S*docs\/a\.md out: /),
      })
    })

    test('a context that is not there, is a file, or cannot be read', async () => {
      const folder = await context(HELLO)
      await symlink('loop', join(root, 'loop'))
      expect(await failure(join(root, 'none'))).toMatchObject({ exit: 3, code: 'FILE_NOT_FOUND' })
      expect(await failure(join(folder, 'hello.txt'))).toMatchObject({ exit: 2, code: 'USAGE' })
      expect(await failure(join(root, 'loop'))).toMatchObject({
        ...{ code: 'FILE_UNREADABLE', message: expect.stringContaining('links lead in a circle') },
      })
    })

    test('a secret without its file', async () => {
      const folder = await context(HELLO)
      expect(await failure('--secret', 'id=npm,src=/nonexistent/npmrc', folder)).toMatchObject({
        ...{ exit: 3, code: 'FILE_NOT_FOUND', message: expect.stringContaining('/nonexistent/npmrc') },
        hint: expect.stringContaining('src=FILE'),
      })
    })

    test('an engine that dies half way', async () => {
      const argument = aNumber()
      const folder = await context(
        `${BUSYBOX}LABEL ${label}\nRUN ["/bin/busybox", "sleep", "4.${argument}"]\n`,
      )
      const way = await breakableWay(service(engine).socketPath)
      const run = start([folder], { host: `unix://${way.socketPath}` })
      await until(() => processesWith(`4.${argument}`).length > 0)
      way.cut()
      const result = await run.ended
      expect({ ...jsonError(result), exit: result.code }).toMatchObject({
        exit: 8,
        code: 'ENGINE_UNREACHABLE',
      })
      await until(() => processesWith(`4.${argument}`).length === 0)
    })

    test('Ctrl-C, which stops the build in the engine', async () => {
      const argument = aNumber()
      // Where the step cannot be stopped it ends soon by itself.
      const seconds = engine === 'podman' ? `5.${argument}` : `600.${argument}`
      const folder = await context(`${BUSYBOX}LABEL ${label}\nRUN ["/bin/busybox", "sleep", "${seconds}"]\n`)
      const run = start([folder])
      await until(() => processesWith(seconds).length > 0)
      run.child.kill('SIGINT')
      const result = await run.ended
      expect(result).toMatchObject({ code: 130, stdout: '' })
      if (engine === 'podman') expect(result.stderr).toContain('goes on in the engine')
      await until(() => processesWith(seconds).length === 0)
      await until(async () => (await leftOver()).length === 0)
    })
  })
}

describe('a build argument that looks like a secret', () => {
  test('is warned about before the engine is asked, and its value is not repeated', async () => {
    const folder = await context(HELLO)
    const args = ['image', 'build', '--build-arg', 'NPM_TOKEN=the-value', folder]
    const result = await imgctl(args, { env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock', HOME: root } })
    expect(result.code).toBe(8)
    expect(result.stderr).toMatch(/^warning: --build-arg NPM_TOKEN .*--secret id=.*env=NPM_TOKEN/m)
    expect(result.stderr).not.toContain('the-value')
  })
})

/** A folder with a Dockerfile and what it copies. */
async function context(dockerfile: string, name = 'Dockerfile'): Promise<string> {
  const folder = join(root, 'context')
  await mkdir(folder)
  await writeFile(join(folder, 'hello.txt'), 'hello\n')
  await copyFile('/bin/busybox', join(folder, 'busybox'))
  await writeFile(join(folder, name), dockerfile)
  return folder
}

/** By which a process of this test is found. */
function aNumber(): string {
  return String(10_000_000 + Math.floor(Math.random() * 1e6))
}
