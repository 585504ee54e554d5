import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ociLayout, savedArchive } from '../services/fixtures.ts'
import { crane, succeeded } from '../services/tools.ts'
import { describeWith } from '../services/use.ts'
import { savedImage, savedPair, tarOf, writeArchive } from './archives.ts'
import { imgctl, jsonError, serve, type TestServer } from './program.ts'

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-archives-'))
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const push = (...args: string[]) => imgctl(['image', 'push', ...args], { env: server.env })
const list = async (): Promise<{ name: string; state: string; digest: string }[]> =>
  JSON.parse((await imgctl(['image', 'list', '--format', 'json'], { env: server.env })).stdout)

describe('an archive', () => {
  test('goes to the server without an engine, in the seed’s words', async () => {
    const path = await writeArchive(
      join(folder, 'test-image.tar'),
      await savedImage({ tag: 'test-image:1.0' }),
    )
    const result = await push(path)
    expect(result.code).toBe(0)
    const digest = /^127\.0\.0\.1:\d+\/default\/test-image@(sha256:[0-9a-f]{64})\n$/.exec(result.stdout)?.[1]
    expect(digest).toBeDefined()
    expect(result.stderr).toContain(`The push refers to repository [${server.host}/default/test-image]\n`)
    expect(result.stderr).toMatch(/^[0-9a-f]{12}: Pushed$/m)
    expect(result.stderr).toMatch(new RegExp(`^1\\.0: digest: ${digest} size: \\d+$`, 'm'))
    expect(result.stderr).toContain(`✓ Successfully pushed test-image:1.0 to ${server.host}\n`)
    expect(result.stderr).toContain(
      `✓ Use '${server.host}/default/test-image:1.0' to create a new sandbox using this image\n`,
    )
    expect(result.stderr).not.toContain('\u001b')
    expect(await list()).toContainEqual(
      expect.objectContaining({ name: 'test-image:1.0', state: 'active', digest }),
    )
  })

  test('pushed again is there already: the same digest, and no layer is read', async () => {
    const path = await writeArchive(join(folder, 'again.tar'), await savedImage({ tag: 'again:1.0' }))
    const first = await push(path)
    const second = await push(path)
    expect(second).toMatchObject({ code: 0, stdout: first.stdout })
    expect(second.stderr).not.toContain('Pushed')
  })

  test('goes elsewhere with what Podman has for that part of the registry', async () => {
    const path = await writeArchive(join(folder, 'part.tar'), await savedImage({ tag: 'part:1.0' }))
    const authFile = join(folder, 'auth.json')
    const auth = Buffer.from(`any:${server.apiKey}`).toString('base64')
    const env = { ...server.env, REGISTRY_AUTH_FILE: authFile }
    const pushWith = async (part: string) => {
      await writeFile(authFile, JSON.stringify({ auths: { [`${server.host}/${part}`]: { auth } } }))
      const to = ['--to', `${server.host}/default/part:1.0`]
      return imgctl(['image', 'push', path, ...to, '--progress', 'json'], { env })
    }
    const refused = await pushWith('other')
    expect([refused.code, jsonError(refused).code]).toEqual([4, 'AUTH_REQUIRED'])
    expect((await pushWith('default')).code).toBe(0)
  })

  test('compressed with gzip works the same', async () => {
    const path = await writeArchive(join(folder, 'packed.tar.gz'), await savedImage({ tag: 'packed:1.0' }))
    expect(await push(path, '--quiet')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\/default\/packed@sha256:[0-9a-f]{64}\n$/),
      stderr: '',
    })
  })

  test('goes with zstd layers where that is wanted, and comes back whole', async () => {
    const path = await writeArchive(join(folder, 'zstd.tar'), await savedImage({ tag: 'zstd:1.0' }))
    const back = join(folder, 'zstd-back.tar')
    expect(await push(path, '--compression', 'zstd', '--quiet')).toMatchObject({ code: 0, stderr: '' })
    const run = (...args: string[]) => imgctl(['image', ...args], { env: server.env })
    const save = ['save', '--remote', 'zstd:1.0', '--format', 'oci', '-o', back]
    expect(await run(...save)).toMatchObject({ code: 0 })
    const [saved] = JSON.parse((await run('inspect', back)).stdout)
    const [sent] = JSON.parse((await run('inspect', path)).stdout)
    expect(saved.Layers.map((layer: { Compression: string }) => layer.Compression)).toEqual(
      sent.Layers.map(() => 'zstd'),
    )
    expect(saved.Id).toBe(sent.Id)
  })

  test('cannot become zstd in an engine', async () => {
    const refused = await push('app:1.0', '--compression', 'zstd', '--via', 'engine', '--format', 'json')
    expect(refused.code).toBe(2)
    expect(jsonError(refused)).toMatchObject({ code: 'USAGE', hint: 'leave --via out, or say --via direct' })
  })

  test('with two images needs --image', async () => {
    const entries = await savedPair({ tag: 'one:1.0' }, { tag: 'two:1.0' })
    const path = await writeArchive(join(folder, 'pair.tar'), entries)
    const unclear = await push(path, '--format', 'json')
    expect(unclear.code).toBe(5)
    expect(jsonError(unclear)).toMatchObject({
      code: 'ARCHIVE_AMBIGUOUS',
      hint: expect.stringContaining('--image'),
    })
    expect(await push(path, '--image', 'two:1.0', '--quiet')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('/default/two@sha256:'),
    })
  })

  test('writes what scripts need into files', async () => {
    const path = await writeArchive(join(folder, 'files.tar'), await savedImage({ tag: 'files:1.0' }))
    const [digestFile, metadataFile] = [join(folder, 'digest'), join(folder, 'metadata.json')]
    const result = await push(
      path,
      '--digest-file',
      digestFile,
      '--metadata-file',
      metadataFile,
      '--format',
      'json',
    )
    const printed = JSON.parse(result.stdout)
    expect(JSON.parse(await readFile(metadataFile, 'utf8'))).toEqual(printed)
    expect(await readFile(digestFile, 'utf8')).toBe(`${printed.digest}\n`)
    expect(printed).toMatchObject({ name: 'files:1.0', state: 'active', platform: 'linux/amd64' })
  })

  test('whose program is for another machine than its config says is warned about', async () => {
    // An ELF header, 64 bit, little-endian, e_machine 183: AArch64.
    const program = Buffer.from('7f454c4602010100000000000000000002 00b700'.replaceAll(' ', ''), 'hex')
    const path = await writeArchive(join(folder, 'elf.tar'), await savedImage({ tag: 'elf:1.0', program }))
    const result = await push(path)
    expect(result.code).toBe(0)
    expect(result.stderr).toMatch(/^warning: the image says amd64, but its \/app is a program for arm64$/m)
  })

  test('a dry run sends nothing', async () => {
    const path = await writeArchive(join(folder, 'dry.tar'), await savedImage({ tag: 'dry:1.0' }))
    const result = await push(path, '--dry-run', '--format', 'json')
    expect(JSON.parse(result.stdout)).toMatchObject({ transport: 'direct', layers: [{ exists: false }] })
    expect((await list()).map(({ name }) => name)).not.toContain('dry:1.0')
  })

  test('progress as JSON: every line is an event', async () => {
    const path = await writeArchive(join(folder, 'events.tar'), await savedImage({ tag: 'events:1.0' }))
    const { stderr } = await push(path, '--progress', 'json')
    const events = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['phase', 'plan', 'item', 'pushed']),
    )
    expect(events.filter(({ event }) => event === 'phase').map(({ phase }) => phase)).toEqual(
      expect.arrayContaining(['prepare', 'upload', 'register', 'validate']),
    )
  })
})

describe('a name that cannot be one is refused before anything is sent', () => {
  test.each([
    ['a name without tag', ['app']],
    ['latest', ['app:latest']],
    ['capitals', ['App:1.0']],
    ['a space', ['my app:1.0']],
    ['a port as --name', ['app:1.0', '--name', 'registry:5000/app:1.0']],
    ['a digest as --name', ['app:1.0', '--name', `app@sha256:${'a'.repeat(64)}`]],
    ['latest as --name', ['app:1.0', '--name', 'app:latest']],
    ['nothing', ['']],
  ])('%s', async (_, args) => {
    const result = await push(...args, '--progress', 'json')
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(jsonError(result)).toMatchObject({ code: 'NAME_INVALID', hint: expect.stringMatching(/./) })
  })

  test('with a caret under the first bad character', async () => {
    const { stderr } = await push('my app:1.0')
    expect(stderr).toMatch(/^ {2}my app:1\.0\n {4}\^$/m)
  })
})

describe('an archive that is not good is refused, and nothing is left', () => {
  const bad: [string, string, () => Promise<Buffer | undefined>][] = [
    ['that is not there', 'FILE_NOT_FOUND', async () => undefined],
    ['that is empty', 'ARCHIVE_INVALID', async () => Buffer.alloc(0)],
    ['that is no tar', 'ARCHIVE_INVALID', async () => Buffer.from('<html>not a tar</html>'.repeat(100))],
    ['that is cut short', 'ARCHIVE_INVALID', async () => (await tarOf(await savedImage())).subarray(0, 2000)],
    [
      'with a path that climbs',
      'ARCHIVE_INVALID',
      async () => tarOf({ ...(await savedImage()), '../../x': 'x' }),
    ],
    [
      'with an absolute path',
      'ARCHIVE_INVALID',
      async () => tarOf({ ...(await savedImage()), '/etc/x': 'x' }),
    ],
    ['without a manifest', 'ARCHIVE_INVALID', async () => tarOf({ 'etc/hostname': 'x' })],
    ['whose layer is another', 'DIGEST_MISMATCH', async () => tarOf(await withOtherLayer())],
    ['for another platform', 'ARCH_MISMATCH', async () => tarOf(await savedImage({ architecture: 'arm64' }))],
  ]

  test.each(bad)('%s: %s', async (_, code, make) => {
    const path = join(folder, 'bad.tar')
    const content = await make()
    if (content) await writeFile(path, content)
    else await rm(path, { force: true })
    const temporary = await mkdtemp(join(folder, 'tmp-'))
    const args = ['image', 'push', path, '--name', 'bad:1.0', '--progress', 'json']
    const result = await imgctl(args, { env: { ...server.env, TMPDIR: temporary } })
    expect(jsonError(result)).toMatchObject({ code })
    expect(result.code).toBe(code === 'FILE_NOT_FOUND' ? 3 : 5)
    expect((await list()).map(({ name }) => name)).not.toContain('bad:1.0')
    expect(await readdir(temporary)).toEqual([])
  })

  test('an arm64 image is refused in words that say what to do, before a byte is sent', async () => {
    const path = await writeArchive(join(folder, 'arm.tar'), await savedImage({ architecture: 'arm64' }))
    const { stderr } = await push(path)
    expect(stderr).toContain(
      'is not compatible with AMD architecture (it is linux/arm64, the server runs linux/amd64)\n',
    )
    expect(stderr).toMatch(/^hint: docker buildx build --platform linux\/amd64 /m)
    expect(stderr).not.toContain('The push refers to')
  })

  test('without entrypoint or command the server says what to add', async () => {
    const path = await writeArchive(
      join(folder, 'idle.tar'),
      await savedImage({ tag: 'idle:1.0', entrypoint: null }),
    )
    const refused = await push(path, '--progress', 'json')
    expect(refused.code).toBe(5)
    expect(jsonError(refused)).toMatchObject({
      code: 'IMAGE_REJECTED',
      message: expect.stringContaining('NO_ENTRYPOINT'),
      hint: expect.stringContaining('--entrypoint "sleep infinity"'),
    })
    const named = await push(path, '--name', 'idle:1.1', '--entrypoint', 'sleep infinity', '--quiet')
    expect(named.code).toBe(0)
  })
})

describeWith(['dockerClassic', 'dockerContainerd', 'tools'], 'archives that real tools wrote', () => {
  test.each([
    ['docker save, classic store', () => savedArchive('dockerClassic', 'twoLayers')],
    ['docker save, containerd store', () => savedArchive('dockerContainerd', 'twoLayers')],
    ['an OCI layout', async () => `oci:${await ociLayout('twoLayers')}`],
  ])('%s: the registry serves what was in it', async (kind, make) => {
    const name = `real:${kind.replace(/\W+/g, '-').toLowerCase()}`
    const result = await push(await make(), '--name', name, '--quiet')
    expect(result).toMatchObject({ code: 0, stderr: '' })
    const config = await succeeded(
      crane(['config', '--insecure', `${server.host}/default/${name}`], await login()),
    )
    expect(JSON.parse(config.stdout)).toMatchObject({
      architecture: 'amd64',
      config: { Cmd: ['cat', '/hello.txt'] },
    })
  })

  test('a layout keeps its digest', async () => {
    const layout = await ociLayout('hello')
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))
    const result = await push(`oci:${layout}`, '--name', 'layout:1.0', '--quiet')
    expect(result.stdout).toContain(index.manifests[0].digest)
  })

  async function login() {
    const config = join(folder, 'docker')
    const auth = Buffer.from(`any:${server.apiKey}`).toString('base64')
    await rm(config, { recursive: true, force: true })
    await import('node:fs/promises').then(({ mkdir }) => mkdir(config))
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [server.host]: { auth } } }))
    return { env: { DOCKER_CONFIG: config }, folders: [folder] }
  }
})

/** The last layer's content is swapped after the config named its digest. */
async function withOtherLayer() {
  const entries = await savedImage()
  const layer = Object.keys(entries).find((name) => name.endsWith('layer.tar'))!
  return { ...entries, [layer]: await tarOf({ app: 'something else' }) }
}
