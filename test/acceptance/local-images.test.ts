import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { events, json, type ScriptedEngine, scriptedEngine } from '../engine/scripted-engine.ts'
import { callEngine, engineList } from '../services/engine.ts'
import { ENGINES } from '../services/engines.ts'
import type { EngineName } from '../services/fixtures.ts'
import { REGISTRY_USER } from '../services/registry.ts'
import { describeWith, ownRegistry, service } from '../services/use.ts'
import { savedImage, tarOf, writeArchive } from './archives.ts'
import { imgctl, jsonError, type Result, serve, startImgctl, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
/** This run's own: other test files use the same engines at the same time. */
const RUN = `local-${randomUUID().slice(0, 8)}`
const LABEL = `org.example.run=${RUN}`

let server: TestServer
let folder: string
let rootfs: string
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-local-'))
  rootfs = join(folder, 'rootfs.tar')
  await writeFile(rootfs, await tarOf({ app: 'x'.repeat(5000) }))
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

for (const engine of ENGINES) {
  describeWith([engine], `the images of ${engine}`, () => {
    const run = (...args: string[]) => imgctl(['image', ...args], { env: environment(engine) })
    const image = async (name: string, ...more: string[]): Promise<string> => {
      const changes = ['--change', `LABEL ${LABEL}`, '--change', `ENV ONLY=${randomUUID()}`]
      const { code, stdout, stderr } = await run('import', rootfs, `${RUN}/${name}`, ...changes, ...more)
      expect(code, stderr).toBe(0)
      return stdout.trim()
    }
    afterEach(() => removeAll(engine))

    test('import, list, tag, inspect, delete', async () => {
      const id = await image('app:1.0', '-c', 'CMD ["/app"]', '-m', 'from rootfs')
      expect(id).toMatch(/^sha256:[0-9a-f]{64}$/)
      expect(await run('tag', `${RUN}/app:1.0`, `${RUN}/app`)).toEqual({ code: 0, stdout: '', stderr: '' })

      const listed = await run('list', '--local', '--filter', `reference=${RUN}/*`, '--format', 'json')
      const row = {
        id,
        repository: `${RUN}/app`,
        size: expect.any(Number),
        createdAt: expect.stringMatching(/Z$/),
      }
      expect(JSON.parse(listed.stdout)).toMatchObject([
        { ...row, tag: '1.0', labels: { 'org.example.run': RUN } },
        { ...row, tag: 'latest' },
      ])
      const template = await run(
        'ls',
        '--local',
        '--filter',
        `reference=${RUN}/*`,
        '--format',
        '{{.Repository}}:{{.Tag}}',
      )
      expect(template.stdout).toBe(`${RUN}/app:1.0\n${RUN}/app:latest\n`)
      const quiet = await run('list', '--local', '--filter', `reference=${RUN}/*`, '--quiet')
      expect(quiet.stdout).toBe(`${id}\n`)

      const inspected = await run(
        'inspect',
        `${RUN}/app`,
        '--format',
        '{{.Id}} {{json .Config.Cmd}} {{.Comment}}',
      )
      expect(inspected.stdout).toBe(`${id} ["/app"] from rootfs\n`)
      expect(JSON.parse((await run('inspect', id)).stdout)).toMatchObject([{ Id: id, Os: 'linux' }])

      const first = await run('delete', '--local', `${RUN}/app`)
      expect(first).toMatchObject({ code: 0, stdout: `Untagged: ${RUN}/app:latest\n` })
      const last = await run('rm', '--local', `${RUN}/app:1.0`)
      expect(last).toMatchObject({ code: 0, stdout: expect.stringContaining(`Deleted: ${id}\n`) })
      expect((await run('inspect', id)).code).toBe(3)
    })

    test('an id takes only the names that were agreed to', async () => {
      const id = await image('named:1')
      await run('tag', id, `${RUN}/too:1`)
      const asked = await run('rm', '--local', id, '--format', 'json')
      expect(asked.code).toBe(2)
      expect(jsonError(asked)).toMatchObject({
        code: 'INPUT_REQUIRED',
        hint: expect.stringContaining('--yes'),
      })
      expect(jsonError(asked).message).toContain(`${RUN}/too:1`)
      const shown = await run('rm', '--local', id, '--dry-run', '--format', 'json')
      expect(JSON.parse(shown.stdout)).toMatchObject([{ id, isLast: true }])
      expect((await run('inspect', id)).code).toBe(0)
      const done = await run('rm', '--local', id, '--yes', '--format', 'json')
      expect(JSON.parse(done.stdout)).toMatchObject([{ id, error: null }])
      expect((await run('inspect', id)).code).toBe(3)
    })

    test('a person is shown what would go, and asked', async () => {
      const id = await image('person:1')
      await run('tag', id, `${RUN}/person:2`)
      const { PATH = '', HOME = '' } = process.env
      const terminal = inTerminal(['image', 'rm', '--local', id], {
        ...environment(engine),
        PATH,
        HOME,
      } as never)
      await terminal.shows('NAMES THAT GO')
      await terminal.shows('Delete also')
      terminal.type('\r')
      expect(await terminal.exitCode).toBe(0)
      await terminal.shows('Nothing was deleted')
      expect((await run('inspect', id)).code).toBe(0)
    })

    test('what a container uses stays', async () => {
      await image('used:1')
      const container = await createContainer(engine, `${RUN}/used:1`)
      const refused = await run('rm', '--local', `${RUN}/used:1`, '--format', 'json')
      expect(refused.code).toBe(7)
      expect(jsonError(refused)).toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(container),
        hint: `remove it first: docker rm ${container}`,
      })
    })

    test('a container becomes an image', async () => {
      await image('base:1')
      const container = await createContainer(engine, `${RUN}/base:1`)
      const options = ['-m', 'Add node', '-a', 'Aomine', '-c', 'CMD ["node"]', '-p', '--format', 'json']
      const { code, stdout, stderr } = await run('commit', ...options, container, `${RUN}/node`)
      expect(code, stderr).toBe(0)
      const made = JSON.parse(stdout)
      expect(made).toMatchObject({ name: `${RUN}/node` })
      const inspected = await run(
        'inspect',
        `${RUN}/node`,
        '--format',
        '{{.Id}} {{.Comment}} {{.Author}} {{json .Config.Cmd}}',
      )
      expect(inspected.stdout).toBe(`${made.id} Add node Aomine ["node"]\n`)
      expect(jsonError(await run('commit', `${RUN}-none`, '--format', 'json'))).toMatchObject({
        code: 'NOT_FOUND',
      })
    })

    test('a prune shows its plan, deletes it, and tells the space', async () => {
      const id = await image('pruned:1')
      const filter = ['--all', '--filter', `label=${LABEL}`]
      const plan = JSON.parse((await run('prune', ...filter, '--dry-run', '--format', 'json')).stdout)
      expect(plan).toMatchObject([{ id, names: [`${RUN}/pruned:1`], size: expect.any(Number) }])
      const asked = await run('prune', ...filter, '--progress', 'json')
      expect(asked.code).toBe(2)
      expect((await run('prune', ...filter)).stderr).toContain('--yes')
      const nothing = await run('prune', '--filter', `label=${LABEL}`, '--dry-run')
      expect(nothing).toMatchObject({ code: 0, stdout: '', stderr: 'No images to delete\n' })
      expect((await run('prune', ...filter, '--filter', 'until=1h', '--dry-run')).stdout).toBe('')
      const done = await run('prune', ...filter, '--yes')
      expect(done.code, done.stderr).toBe(0)
      expect(done.stdout).toContain(`Deleted: ${id}\n`)
      expect(done.stdout).toMatch(/Total reclaimed space: [\d.]+ [kM]?B\n$/)
      const again = await run('prune', ...filter, '--yes', '--format', 'json')
      expect(JSON.parse(again.stdout)).toEqual({ images: [], reclaimedBytes: 0 })
    })

    test('a pull from the server, by name and by reference', async () => {
      const name = `${RUN}/${engine.toLowerCase()}:1.0`
      await image('pull:1', '-c', 'CMD ["/app"]')
      const pushed = await run('push', `${RUN}/pull:1`, '--name', name, '--quiet')
      expect(pushed.code, pushed.stderr).toBe(0)
      await removeAll(engine)
      const reference = `${server.host}/default/${name}`
      const pulled = await run('pull', name)
      expect(pulled).toMatchObject({ code: 0, stdout: pushed.stdout })
      expect(pulled.stderr).toContain(`Status: Downloaded newer image for ${reference}\n`)
      const again = await run('pull', reference, '--format', 'json', '--progress', 'none')
      expect(again).toMatchObject({ code: 0, stderr: '' })
      expect(JSON.parse(again.stdout)).toMatchObject({
        reference,
        pinned: pushed.stdout.trim(),
        isNew: false,
      })
      const quiet = await run('pull', name, '-q')
      expect(quiet).toEqual({ code: 0, stdout: pushed.stdout, stderr: '' })
      await run('rm', '--local', reference)
    })

    describeWith([engine, 'registry'], 'a push with --to', () => {
      const open = ownRegistry()
      const locked = ownRegistry({ auth: true })

      test.each(['auto', 'engine', 'direct'])(
        '--via %s ends with the digest that the tag has',
        async (via) => {
          await image('to:1')
          const before = await names(engine)
          const repository = `${open().host}/${RUN}/to-${via}`
          const files = [join(folder, 'digest'), join(folder, 'metadata')] as const
          const options = ['--via', via, '--digest-file', files[0], '--metadata-file', files[1]]
          const pushed = await run('push', `${RUN}/to:1`, '--to', `${repository}:1`, ...options)
          expect(pushed.code, pushed.stderr).toBe(0)
          const digest = await headDigest(open().url, `${RUN}/to-${via}`, '1')
          expect(pushed.stdout).toBe(`${repository}@${digest}\n`)
          expect(await readFile(files[0], 'utf8')).toBe(`${digest}\n`)
          expect(JSON.parse(await readFile(files[1], 'utf8'))).toMatchObject({
            digest,
            reference: `${repository}:1`,
          })
          expect(await names(engine)).toEqual(before)
        },
      )

      test("shows docker's credentials to their registry", async () => {
        await image('to:1')
        const target = `${locked().host}/${RUN}/to-locked`
        const refused = await run('push', `${RUN}/to:1`, '--to', target, '--progress', 'json')
        expect(refused.code).toBe(4)
        expect(jsonError(refused)).toMatchObject({
          code: 'AUTH_REQUIRED',
          hint: `log in to it: docker login ${locked().host}`,
        })
        const env = { ...environment(engine), DOCKER_CONFIG: await dockerLogin(locked().host) }
        const pushed = await imgctl(['image', 'push', `${RUN}/to:1`, '--to', target, '-q'], { env })
        expect(pushed).toMatchObject({ code: 0, stdout: expect.stringMatching(`^${target}@sha256:`) })
        const pulled = await imgctl(['image', 'pull', target, '-q'], { env })
        expect(pulled).toMatchObject({ code: 0, stdout: pushed.stdout })
        // The engine may know this image by another digest, of an earlier push or of its own making.
        const direct = await imgctl(
          ['image', 'push', `${RUN}/to:1`, '--to', target, '--via', 'direct', '-q'],
          { env },
        )
        const again = await imgctl(['image', 'pull', target, '-q'], { env })
        expect(again).toMatchObject({ code: 0, stdout: direct.stdout })
        await run('rm', '--local', target)
      })

      test('shows what CI set, and what podman login stored', async () => {
        await image('to:1')
        const target = `${locked().host}/${RUN}/to-others`
        const config = await readFile(join(await dockerLogin(locked().host), 'config.json'), 'utf8')
        const fromCi = { ...environment(engine), DOCKER_AUTH_CONFIG: config }
        const pushed = await imgctl(['image', 'push', `${RUN}/to:1`, '--to', target, '-q'], { env: fromCi })
        expect(pushed).toMatchObject({ code: 0, stdout: expect.stringMatching(`^${target}@sha256:`) })
        const file = join(folder, `podman-${engine}.json`)
        const login = ['login', '--authfile', file, '--tls-verify=false', '-u', REGISTRY_USER.username]
        execFileSync('podman', [...login, '--password-stdin', locked().host], {
          input: REGISTRY_USER.password,
        })
        const fromPodman = { ...environment(engine), REGISTRY_AUTH_FILE: file }
        const pulled = await imgctl(['image', 'pull', target, '-q'], { env: fromPodman })
        expect(pulled).toMatchObject({ code: 0, stdout: expect.stringMatching(`^${target}@sha256:`) })
        await run('rm', '--local', target)
      })

      test('does not move a name that is another image in the engine', async () => {
        await image('to:1')
        const other = await image('else:1')
        const target = `${open().host}/${RUN}/to-named:1`
        await run('tag', other, target)
        expect(await run('push', `${RUN}/to:1`, '--to', target)).toMatchObject({ code: 0 })
        expect((await run('inspect', target, '--format', '{{.Id}}')).stdout.trim()).toBe(other)
        await run('rm', '--local', target)
      })

      test('refuses to let the engine push a name that is another image there', async () => {
        await image('to:1')
        const target = `${open().host}/${RUN}/to-taken:1`
        await run('tag', await image('else:1'), target)
        const refused = await run('push', `${RUN}/to:1`, '--to', target, '--via', 'engine')
        expect(refused).toMatchObject({ code: 7, stdout: '' })
        expect(refused.stderr).toContain('another image in the engine')
        await run('rm', '--local', target)
      })
    })
  })
}

describe('bad input', () => {
  const NOWHERE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' }

  test.each<[args: string[], code: number, error: string]>([
    [['list', '--local', '--state', 'active'], 2, 'USAGE'],
    [['list', '--digests'], 2, 'USAGE'],
    [['list', '--no-trunc'], 2, 'USAGE'],
    [['list', '--local', '--filter', 'bogus=1'], 2, 'USAGE'],
    [['list', '--local', '--filter', 'dangling=maybe'], 2, 'USAGE'],
    [['list', '--local', '--format', '{{range}}'], 2, 'USAGE'],
    [['delete', '--local'], 2, 'USAGE'],
    [['delete', '--local', '--all'], 2, 'USAGE'],
    [['prune', '--filter', 'until=soon'], 2, 'USAGE'],
    [['inspect', 'app:1', '--image', '@0'], 2, 'USAGE'],
    [['inspect', './no-such.tar'], 3, 'FILE_NOT_FOUND'],
    [['import', '/nonexistent/rootfs.tar'], 3, 'FILE_NOT_FOUND'],
    [['import', 'https://user:secret@r.example/a.tar'], 2, 'USAGE'],
    [['search', 'nginx', '--limit', '101'], 2, 'USAGE'],
    [['search', 'nginx', '--filter', 'stars=many'], 2, 'USAGE'],
    [['pull', 'nginx'], 2, 'NAME_INVALID'],
    [['pull', 'Not A Name'], 2, 'NAME_INVALID'],
    [['pull', 'app:1', '--platform', 'amd64'], 2, 'USAGE'],
    [['push', 'app:1', '--to', 'x', '--name', 'y:1'], 2, 'USAGE'],
    [['push', 'app:1', '--to', 'Not A Name'], 2, 'NAME_INVALID'],
    [['push', '--to', 'r.example/app:1'], 2, 'USAGE'],
    [['list', '--local'], 8, 'ENGINE_UNREACHABLE'],
    [['tag', 'app:1', 'app:2'], 8, 'ENGINE_UNREACHABLE'],
    [['inspect', 'app:1'], 8, 'ENGINE_UNREACHABLE'],
    [['pull', 'r.example/app:1'], 8, 'ENGINE_UNREACHABLE'],
  ])('image %j exits with %i, %s', async (args, code, error) => {
    const result = await imgctl(['image', ...args], { env: { ...server.env, ...NOWHERE } })
    const inJson = await imgctl(
      ['image', ...args, '--format=json'].filter((arg) => arg !== '{{range}}'),
      {
        env: { ...server.env, ...NOWHERE },
      },
    )
    expect(result).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(/^(?:prepare\n|Pulling .*\npull\n)?error: /),
    })
    expect(result.stderr).not.toMatch(/\n\s+at |secret@/)
    if (!args.includes('{{range}}') && !args.includes('tag'))
      expect(inJson.stderr).toContain(`"code":"${error}"`)
  })

  test('an archive and a layout are inspected without an engine', async () => {
    const path = await writeArchive(
      join(folder, 'app.tar'),
      await savedImage({ tag: 'app:1.0', entrypoint: ['/app'] }),
    )
    const { stdout, code } = await imgctl(['image', 'inspect', path], { env: NOWHERE })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      {
        RepoTags: ['app:1.0'],
        Os: 'linux',
        Config: { Entrypoint: ['/app'] },
        Layers: [{ Compression: 'none' }],
      },
    ])
    await mkdir(join(folder, 'empty'))
    const empty = await imgctl(['image', 'inspect', `oci:${join(folder, 'empty')}`, '--format', 'json'], {
      env: NOWHERE,
    })
    expect(empty.code).toBe(5)
    expect(jsonError(empty)).toMatchObject({ code: 'ARCHIVE_INVALID' })
  })

  test('what comes on stdin is looked at before the engine is asked', async () => {
    const given = await scriptedEngine()
    const run = (input: string) =>
      imgctl(['image', 'import', '-', 'app:1', '--format', 'json'], { env: host(given), input })
    expect(jsonError(await run(''))).toMatchObject({ code: 'ARCHIVE_INVALID' })
    expect(jsonError(await run('no tar at all'))).toMatchObject({ code: 'ARCHIVE_INVALID' })
    expect(given.requests).toEqual([])
  })
})

describe('an engine that cannot be had here', () => {
  const FOUND = [
    { name: 'nginx', description: 'Official build of Nginx.', star_count: 20_000, is_official: true },
    { name: 'evil/\x1b[2Jnginx', description: 'a\tb', star_count: 1, is_official: false },
  ]

  test('finds images on Docker Hub', async () => {
    const given = await scriptedEngine({ answers: { 'GET /images/search': json(FOUND) } })
    const run = (...args: string[]) => imgctl(['image', 'search', 'nginx', ...args], { env: host(given) })
    expect((await run()).stdout).toBe(
      'nginx\tOfficial build of Nginx.\t20000\ttrue\nevil/\x1b[2Jnginx\ta b\t1\tfalse\n',
    )
    expect(JSON.parse((await run('--format', 'json', '--limit', '1')).stdout)).toEqual([
      { name: 'nginx', description: 'Official build of Nginx.', stars: 20_000, official: true },
    ])
    await run('--filter', 'stars=3', '--filter', 'is-official=true')
    expect(decodeURIComponent(given.requests.at(-1)!)).toContain('{"is-official":["true"],"stars":["3"]}')
  })

  test('shows the layers of a pull', async () => {
    const id = `sha256:${'a'.repeat(64)}`
    const given = await scriptedEngine({
      answers: {
        'GET /images/r.example/app:1/json': json({ Id: id, Os: 'linux', Architecture: 'amd64' }),
        'POST /images/create': events(
          { status: 'Pulling from app', id: '1' },
          { status: 'Already exists', id: 'aaaaaaaaaaaa' },
          { status: 'Downloading', id: 'bbbbbbbbbbbb', progressDetail: { current: 1, total: 2 } },
          { status: 'Pull complete', id: 'bbbbbbbbbbbb', progressDetail: {} },
          { status: `Digest: ${id}` },
          { status: 'Status: Image is up to date for r.example/app:1' },
        ),
      },
    })
    const { code, stdout, stderr } = await imgctl(['image', 'pull', 'r.example/app:1'], { env: host(given) })
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('aaaaaaaaaaaa: Already exists\n')
    expect(stderr).toContain('bbbbbbbbbbbb: Pull complete\n')
    expect(stdout).toBe(`r.example/app@${id}\n`)
  })

  test('a long list into a pipe that is closed early: no word of a bug', async () => {
    const images = Array.from({ length: 20_000 }, (_, i) => ({
      Id: `sha256:${i.toString(16).padStart(64, '0')}`,
      RepoTags: [`app:${i}`],
      Created: i,
      Size: i,
    }))
    const given = await scriptedEngine({ answers: { 'GET /images/json': json(images) } })
    const child = startImgctl(['image', 'list', '--local'], { env: host(given) })
    child.child.stdout?.once('data', () => child.child.stdout?.destroy())
    const { stderr } = await child.ended
    expect(stderr).toBe('')
  })

  test('that hangs in a pull is left by Ctrl-C', async () => {
    const given = await scriptedEngine({
      answers: {
        'GET /images/r.example/app:1/json': json({ message: 'No such image' }, 404),
        'POST /images/create': (_request, response) => {
          response.writeHead(200).write('{"status":"Pulling from app","id":"1"}\n')
        },
      },
    })
    const run = startImgctl(['image', 'pull', 'r.example/app:1'], { env: host(given) })
    while (!given.requests.some((request) => request.startsWith('POST')))
      await new Promise((resolve) => setTimeout(resolve, 20))
    run.child.kill('SIGINT')
    expect(await run.ended).toMatchObject({ code: 130, stdout: '' })
  })

  test('lists in a terminal as docker does', async () => {
    const image = {
      Id: `sha256:${'a'.repeat(64)}`,
      RepoTags: ['app:1.0'],
      Created: Date.now() / 1000 - 7200,
      Size: 29_700_000,
    }
    const unnamed = { Id: `sha256:${'b'.repeat(64)}`, RepoTags: null, Created: 0, Size: 0 }
    const given = await scriptedEngine({ answers: { 'GET /images/json': json([image, unnamed]) } })
    const terminal = inTerminal(['image', 'ls', '--local'], { ...host(given), NO_COLOR: '1' })
    expect(await terminal.exitCode).toBe(0)
    const lines = terminal.screen().split('\r\n')
    expect(lines[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/)
    expect(lines[1]).toMatch(/^app +1\.0 +aaaaaaaaaaaa +2 hours ago +29\.7 MB$/)
    const whole = inTerminal(['image', 'ls', '--local', '--no-trunc'], { ...host(given), NO_COLOR: '1' })
    expect(await whole.exitCode).toBe(0)
    expect(whole.screen()).toContain('sha256:aaaaaaaaaaaaaaaa')
    expect(lines[2]).toMatch(/^<none> +<none> +bbbbbbbbbbbb +\d+ days ago +0 B$/)
  })
})

test('a tar that is cut off in the middle of a pipe makes no image', () => {
  // The shell's own exit code is that of the last command.
  const shell = `head -c 700 ${rootfs} | ${process.execPath} ${PROGRAM} image import - app:1; echo $?`
  const env = { PATH: process.env.PATH, DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
  const shown = execFileSync('sh', ['-c', shell], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(shown).toBe('8\n')
})

function environment(engine: EngineName): Record<string, string> {
  return { ...server.env, DOCKER_HOST: service(engine).dockerHost }
}

function host({ socketPath }: ScriptedEngine): Record<string, string> {
  return { DOCKER_HOST: `unix://${socketPath}` }
}

async function call(
  engine: EngineName,
  method: string,
  path: string,
  body?: object,
): Promise<Result['stdout']> {
  const answer = await callEngine(service(engine).socketPath, path, {
    method,
    ...(body
      ? { headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) }
      : {}),
  })
  return answer.body.toString()
}

let containers = 0
async function createContainer(engine: EngineName, image: string): Promise<string> {
  const name = `${RUN}-${containers++}`
  const made = await call(engine, 'POST', `/containers/create?name=${name}`, { Image: image, Cmd: ['/app'] })
  expect(made).toContain('"Id"')
  return name
}

/** Every name of this run in the engine. */
async function names(engine: EngineName): Promise<string[]> {
  const images = await engineList(service(engine).socketPath, '/images/json')
  return images
    .flatMap(({ RepoTags }) => RepoTags ?? [])
    .filter((name) => name.includes(RUN))
    .sort()
}

/** Removes what this run made in the engine: containers, then names. */
async function removeAll(engine: EngineName): Promise<void> {
  for (let i = 0; i < containers; i++) await call(engine, 'DELETE', `/containers/${RUN}-${i}?force=true`)
  for (const name of await names(engine)) await call(engine, 'DELETE', `/images/${name}?force=true`)
}

async function headDigest(url: string, repository: string, tag: string): Promise<string | null> {
  const accept = [
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v2+json',
  ]
  const answer = await fetch(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'HEAD',
    headers: { accept: accept.join() },
  })
  return answer.headers.get('docker-content-digest')
}

/** A folder with what `docker login` writes. */
async function dockerLogin(registry: string): Promise<string> {
  const config = await mkdtemp(join(folder, 'docker-'))
  const auth = Buffer.from('imgctl:upstream-password').toString('base64')
  await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [registry]: { auth } } }))
  return config
}
