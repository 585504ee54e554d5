import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildImage } from '../services/build-image.ts'
import { callEngine } from '../services/engine.ts'
import { ENGINE, testExcept } from '../services/engines.ts'
import { save } from '../services/fixtures.ts'
import { docker, succeeded } from '../services/tools.ts'
import { describeWith, service } from '../services/use.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-history-'))
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const history = (args: string[], env: Record<string, string> = {}) =>
  imgctl(['image', 'history', ...args], {
    env: { ...server.env, DOCKER_HOST: 'unix:///nonexistent', ...env },
  })

const rows = async (args: string[], env = {}) =>
  JSON.parse((await history([...args, '--format', 'json'], env)).stdout) as Record<string, unknown>[]

describeWith([ENGINE, 'tools'], `image history of ${ENGINE}`, () => {
  const reference = `imgctl-cli-history-${process.pid}/app:1.0`
  const engine = () => ({ DOCKER_HOST: service(ENGINE).dockerHost })
  beforeAll(async () => {
    await buildImage(service(ENGINE).socketPath, {
      reference,
      dockerfile:
        'FROM scratch\nCOPY busybox /bin/busybox\nENV DB_PASSWORD=hunter2\nRUN ["/bin/busybox", "mkdir", "/tmp"]\n',
      files: { busybox: { from: '/bin/busybox' } },
    })
  })
  afterAll(() => callEngine(service(ENGINE).socketPath, `/images/${reference}`, { method: 'DELETE' }))

  const FIELDS = '{{.ID}}|{{.CreatedSince}}|{{.CreatedAt}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}'
  test.each([
    [
      ['--format', FIELDS],
      ['--format', FIELDS],
    ],
    [
      ['--no-trunc', '--format', FIELDS],
      ['--no-trunc', '--format', FIELDS],
    ],
    [
      ['--no-human', '--format', FIELDS],
      ['--human=false', '--format', FIELDS],
    ],
    [
      ['--human=false', '--no-trunc=true', '--format', FIELDS],
      ['--human=false', '--no-trunc=true', '--format', FIELDS],
    ],
    [
      ['-H=true', '--no-trunc=false', '--format', FIELDS],
      ['-H=true', '--no-trunc=false', '--format', FIELDS],
    ],
    [['-q'], ['-q']],
    [
      ['-q', '--no-trunc'],
      ['-q', '--no-trunc'],
    ],
  ])('%j prints what docker history prints', async (ours, theirs) => {
    // A minute may pass between the two.
    const withoutAge = (text: string) => text.replaceAll(/\|[^|]* ago\|/g, '|ago|')
    // Podman says ids without their algorithm, and docker repeats it so; ours are the same for every engine.
    const asSaid = (text: string) => (ENGINE === 'podman' ? text.replaceAll('sha256:', '') : text)
    const host = service(ENGINE).dockerHost
    const { stdout } = await succeeded(docker(['history', ...theirs, reference], { host }))
    const result = await history([reference, ...ours], engine())
    expect(asSaid(withoutAge(result.stdout))).toBe(withoutAge(stdout))
    expect(result.code).toBe(0)
  })

  test('says the same of the engine, an archive and the server', async () => {
    const path = join(folder, 'app.tar')
    await save(service(ENGINE).socketPath, [reference], path)
    const pushed = await imgctl(
      ['image', 'push', path, '--name', 'history:1.0', '--entrypoint', '/bin/busybox'],
      { env: server.env },
    )
    expect(pushed.code).toBe(0)
    const common = ({ created, createdBy, instruction, comment, layer }: Record<string, unknown>) => ({
      ...{ created, createdBy, instruction, comment, layer },
    })
    const [local, archive, remote] = [
      await rows([reference], engine()),
      await rows([path]),
      await rows(['--remote', 'history:1.0']),
    ]
    expect(archive.map(common)).toEqual(local.map(common))
    expect(remote.map(common)).toEqual(local.map(common))
    expect(
      remote.filter(({ layer }) => layer !== null).every(({ compressedSize }) => Number(compressedSize) > 0),
    ).toBe(true)
  })

  const OTHER_SIZES = {
    dockerContainerd: 'its sizes are those on its disk',
    podman: 'its sizes are those of its tars',
  }
  testExcept(OTHER_SIZES)('says the same sizes and id of the engine, an archive and the server', async () => {
    const path = join(folder, 'sizes.tar')
    await save(service(ENGINE).socketPath, [reference], path)
    const args = ['image', 'push', path, '--name', 'sizes:1.0', '--entrypoint', '/bin/busybox']
    expect(await imgctl(args, { env: server.env })).toMatchObject({ code: 0 })
    const [local, archive, remote] = [
      await rows([reference], engine()),
      await rows([path]),
      await rows(['--remote', 'sizes:1.0']),
    ]
    expect(archive.map(({ size }) => size)).toEqual(local.map(({ size }) => size))
    expect(remote[0]!['id']).toBe(local[0]!['id'])
  })

  test('cleans instructions, knows no missing image, and warns of secrets without repeating them', async () => {
    const { stdout, stderr } = await history([reference, '--format', '{{.Instruction}}'], engine())
    const lines = stdout.trim().split('\n')
    expect(lines).toEqual(
      ENGINE === 'podman'
        ? // Podman notes what it copied by its digest, and RUN as it stands in the Dockerfile.
          [
            'RUN ["/bin/busybox", "mkdir", "/tmp"]',
            'ENV DB_PASSWORD=hunter2',
            expect.stringMatching(/^COPY file:/),
          ]
        : ['RUN /bin/busybox mkdir /tmp', 'ENV DB_PASSWORD=hunter2', 'COPY busybox /bin/busybox'],
    )
    expect(stderr).toMatch(
      /^warning: step 2: DB_PASSWORD looks like a secret\nhint: .*--mount=type=secret\n$/,
    )
    expect((await history([reference], engine())).stdout).not.toContain('missing')
  })
})

describe('image history of an archive', () => {
  test('chooses among several', async () => {
    const path = await writeArchive(join(folder, 'a.tar'), await savedImage({ tag: 'a:1' }))
    expect(await history([path, '--image', 'a:1'])).toMatchObject({ code: 0, stderr: '' })
    const wrong = await history([path, '--image', 'b:1', '--format', 'json'])
    expect(jsonError(wrong)).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    const other = await history([path, '--platform', 'linux/arm64', '--format', 'json'])
    expect(jsonError(other)).toMatchObject({ code: 'ARCH_MISMATCH' })
    expect(other.code).toBe(5)
  })

  test.each([
    ['garbage', Buffer.alloc(4000, 'x')],
    ['nothing', Buffer.alloc(0)],
  ])('%s is refused', async (name, bytes) => {
    const path = join(folder, `${name}.tar`)
    await writeFile(path, bytes)
    const result = await history([path, '--format', 'json'])
    expect(jsonError(result)).toMatchObject({ code: 'ARCHIVE_INVALID' })
    expect(result.code).toBe(5)
  })

  test('text in an image is harmless on a terminal, and whole in JSON', async () => {
    const { 'manifest.json': manifest = '', ...entries } = await savedImage({ tag: 'evil:1' })
    const [saved] = JSON.parse(manifest.toString())
    const config = JSON.parse(entries[saved.Config]!.toString())
    const createdBy = 'RUN \u001b]0;owned\u0007 \u202e'
    const path = await writeArchive(join(folder, 'evil.tar'), {
      ...entries,
      'config.json': JSON.stringify({ ...config, history: [{ created_by: createdBy }] }),
      'manifest.json': JSON.stringify([{ ...saved, Config: 'config.json' }]),
    })
    expect(JSON.parse((await history([path, '--format', 'json'])).stdout)[0]).toMatchObject({ createdBy })
    const terminal = inTerminal(['image', 'history', path, '--no-trunc'], {})
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.screen()).toContain('RUN \\x1b]0;owned\\x07 \\u202e')
    expect(terminal.screen()).not.toContain('\u0007')
  })
})

test('an image that is not on the server', async () => {
  const result = await history(['--remote', 'nowhere:1', '--format', 'json'])
  expect(jsonError(result)).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  expect(result.code).toBe(3)
})
