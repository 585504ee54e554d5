import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openArchive } from '../../src/archive/open-archive.ts'
import { type Entry, entry, pax, tar } from '../archive/build-archive.ts'
import { saved } from '../archive/refusal.ts'
import { callEngine } from '../services/engine.ts'
import { ENGINE } from '../services/engines.ts'
import { fixtureImages, IMAGES } from '../services/fixtures.ts'
import { describeWith, service } from '../services/use.ts'
import type { FaultFor } from '../support/fault.ts'
import { type FaultProxy, faultProxy } from '../support/fault-proxy.ts'
import { on } from '../support/faults.ts'
import { until } from '../support/until.ts'
import { savedImage, savedPair, tarOf, writeArchive } from './archives.ts'
import { imgctl, jsonError, serve, startImgctl, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

const MIB = 1024 * 1024
const PROGRAM = join(import.meta.dirname, '../../bin/imgctl.js')
/** An engine that is not there: whatever fails otherwise failed before an engine was asked. */
const NO_ENGINE = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' }

let server: TestServer
let root: string
let folder: string
let count = 0
let proxy: FaultProxy | undefined
beforeAll(async () => {
  server = await serve()
  root = await mkdtemp(join(tmpdir(), 'imgctl-save-load-'))
  for (const [tag, bytes] of [
    ['team/app:1.0', 100_000],
    ['large:1.0', 6 * MIB],
  ] as const) {
    const path = await writeArchive(join(root, 'push.tar'), await savedImage({ tag, bytes }))
    expect(await remote(['image', 'push', path])).toMatchObject({ code: 0 })
  }
})
beforeEach(async () => {
  folder = join(root, String(count++))
  await mkdir(folder)
})
afterEach(async () => {
  await proxy?.close()
  proxy = undefined
})
afterAll(async () => {
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const remote = (args: string[], env: Record<string, string> = {}) =>
  imgctl(args, { env: { ...server.env, ...NO_ENGINE, ...env } })
const throughProxy = async (faultFor: FaultFor) => {
  proxy = await faultProxy(server.url, faultFor)
  return { IMGCTL_SERVER: proxy.url }
}
const BLOB = /^\/v2\/.*\/blobs\//
const silentAfterOneBlob = on('GET', BLOB, () =>
  proxy!.count('GET', BLOB) > 1 ? { silent: true } : undefined,
)

describe('image save --remote, without an engine', () => {
  test.each(['docker', 'oci'])(
    'writes a whole %s archive with the digest that the server has',
    async (format) => {
      const path = join(folder, 'app.tar')
      const result = await remote([
        'image',
        'save',
        '--remote',
        'team/app:1.0',
        '--format',
        format,
        '-o',
        path,
      ])
      expect(result).toMatchObject({ code: 0, stdout: '' })
      expect(result.stderr).toContain('Saved team/app:1.0')
      const archive = await openArchive(path)
      await archive.verify()
      await archive.close()
      expect(archive.kind).toBe(format === 'oci' ? 'oci-layout' : 'docker-save')
      const digest = await remote(['image', 'inspect', '--remote', 'team/app:1.0', '--format', '{{.Digest}}'])
      expect(archive.images.map(({ repoTags, manifest }) => [repoTags, manifest?.digest])).toEqual([
        [['team/app:1.0'], digest.stdout.trim()],
      ])
      expect(await readdir(folder)).toEqual(['app.tar'])
    },
  )

  test('with a key that may only read', async () => {
    const answer = await fetch(`${server.url}/api/api-keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'reader', permissions: ['read:images'] }),
    })
    const { value } = (await answer.json()) as { value: string }
    const args = ['image', 'save', '--remote', 'team/app:1.0', '-o', join(folder, 'app.tar')]
    expect(await remote(args, { IMGCTL_API_KEY: value })).toMatchObject({ code: 0 })
  })

  test('several at once, compressed, through a pipe', async () => {
    const path = join(folder, 'both.tar.gz')
    const args = ['image', 'save', '--remote', 'team/app:1.0', 'large:1.0', '--compress', 'gzip']
    shell(`imgctl ${args.join(' ')} > "${path}"`)
    const archive = await openArchive(path)
    await archive.verify()
    await archive.close()
    expect(archive.images.flatMap(({ repoTags }) => repoTags)).toEqual(['team/app:1.0', 'large:1.0'])
  })

  test.each<[string, string[], number, string]>([
    ['a name that is not there', ['nowhere:1'], 3, 'IMAGE_NOT_FOUND'],
    ['a platform that is not there', ['team/app:1.0', '--platform', 'linux/arm64'], 5, 'ARCH_MISMATCH'],
    ['an unknown form', ['team/app:1.0', '--format', 'zip'], 2, 'USAGE'],
    ['no platform at all', ['team/app:1.0', '--platform', 'amd64'], 2, 'USAGE'],
  ])('%s', async (_, args, code, error) => {
    const out = join(folder, 'app.tar')
    const result = await remote(['image', 'save', '--remote', ...args, '-o', out, '--progress', 'json'])
    expect(jsonError(result)).toMatchObject({ code: error })
    expect(result.code).toBe(code)
    expect(await readdir(folder)).toEqual([])
  })

  test('a server that sends other bytes: nothing is left', async () => {
    const wrong = { status: 200, headers: { 'content-length': '5' }, body: 'wrong' }
    const env = await throughProxy(on('GET', BLOB, { answer: wrong }))
    const out = join(folder, 'app.tar')
    const result = await remote(
      ['image', 'save', '--remote', 'team/app:1.0', '-o', out, '--progress', 'json'],
      env,
    )
    expect(jsonError(result)).toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(result.code).toBe(5)
    expect(await readdir(folder)).toEqual([])
  })

  test('kill -9: the next run removes what was left, and what a live one writes stays', async () => {
    const env = await throughProxy(silentAfterOneBlob)
    const args = (name: string) => ['image', 'save', '--remote', 'large:1.0', '-o', join(folder, name)]
    const killed = startImgctl(args('killed.tar'), { env: { ...server.env, ...env } })
    await until(async () => (await readdir(folder)).length === 1)
    const [left] = await readdir(folder)
    expect(left).toContain(`-${killed.child.pid}-`)
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(await readdir(folder)).toEqual([left])
    proxy!.exchanges.length = 0
    const alive = startImgctl(args('alive.tar'), { env: { ...server.env, ...env } })
    await until(async () => (await readdir(folder)).some((name) => name.includes(`-${alive.child.pid}-`)))
    expect(await remote(args('whole.tar'))).toMatchObject({ code: 0 })
    const found = await readdir(folder)
    expect(found).toContain('whole.tar')
    expect(found).not.toContain(left)
    expect(found.filter((name) => name.endsWith('.tmp'))).toEqual([
      expect.stringContaining(`-${alive.child.pid}-`),
    ])
    alive.child.kill('SIGINT')
    await alive.ended
    expect(await readdir(folder)).toEqual(['whole.tar'])
  })

  test('Ctrl-C while the server is silent: exit 130, and nothing is left', async () => {
    const env = await throughProxy(silentAfterOneBlob)
    const args = ['image', 'save', '--remote', 'large:1.0', '-o', join(folder, 'large.tar')]
    const run = startImgctl(args, { env: { ...server.env, ...env } })
    await until(() => proxy!.count('GET', BLOB) > 1)
    run.child.kill('SIGINT')
    const { code, stderr } = await run.ended
    expect(code).toBe(130)
    expect(stderr).toMatch(/interrupted\n$/)
    expect(await readdir(folder)).toEqual([])
  })
})

describe('where an archive cannot go', () => {
  test('a pipe that is closed early: no stack, no word of a bug', async () => {
    const result = shell('imgctl image save --remote large:1.0 --progress none | head -c 1 | wc -c')
    expect(result.stdout.trim()).toBe('1')
    expect(result.stderr).toBe('')
  })

  test('a terminal', async () => {
    const terminal = inTerminal(['image', 'save', '--remote', 'team/app:1.0'], server.env)
    expect(await terminal.exitCode).toBe(2)
    expect(terminal.screen()).toContain('not written to a terminal')
  })

  test.each([
    ['a folder that is not there', () => join(folder, 'no', 'app.tar'), 3, 'FILE_NOT_FOUND'],
    ['a folder', () => folder, 1, 'FILE_UNREADABLE'],
    ['/proc', () => '/proc/app.tar', 1, 'FILE_UNREADABLE'],
  ])('%s', async (_, path, code, error) => {
    const result = await remote([
      'image',
      'save',
      '--remote',
      'team/app:1.0',
      '-o',
      path(),
      '--progress',
      'json',
    ])
    expect(jsonError(result)).toMatchObject({ code: error })
    expect(result.code).toBe(code)
  })
})

describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('a disk that is full', () => {
  test('of the archive: nothing is left', async () => {
    const disk = await smallDisk(join(folder, 'disk'))
    try {
      const out = join(disk.path, 'large.tar')
      const result = await remote(['image', 'save', '--remote', 'large:1.0', '-o', out, '--progress', 'json'])
      expect(jsonError(result)).toMatchObject({ code: 'DISK_FULL' })
      expect(result.code).toBe(1)
      expect(await readdir(disk.path)).toEqual([])
    } finally {
      disk.unmount()
    }
  })

  test('of the temporary folder, while an archive from stdin is kept: nothing is left', async () => {
    const disk = await smallDisk(join(folder, 'tmp'))
    try {
      const path = await writeArchive(join(folder, 'a.tar'), await savedImage({ bytes: 4 * MIB }))
      const env = { ...NO_ENGINE, TMPDIR: disk.path }
      const result = shell(`imgctl image load --progress json < "${path}"`, env)
      expect(jsonError({ ...result, code: 1 })).toMatchObject({
        code: 'DISK_FULL',
        hint: expect.stringContaining('TMPDIR'),
      })
      expect(await readdir(disk.path)).toEqual([])
    } finally {
      disk.unmount()
    }
  })
})

describe('image load refuses before the engine is asked:', () => {
  const load = (path: string) =>
    imgctl(['image', 'load', '-i', path, '--format', 'json'], { env: { ...NO_ENGINE, TMPDIR: folder } })

  test.each<[string, () => Promise<Buffer>, string]>([
    ['garbage', async () => Buffer.alloc(5000, 'garbage'), 'ARCHIVE_INVALID'],
    ['an empty file', async () => Buffer.alloc(0), 'ARCHIVE_INVALID'],
    [
      'an archive cut short',
      async () => (await tarOf(await savedImage())).subarray(0, 2000),
      'ARCHIVE_INVALID',
    ],
    [
      'gzip cut short',
      async () => gzipSync(await tarOf(await savedImage())).subarray(0, 700),
      'ARCHIVE_INVALID',
    ],
    [
      'a damaged layer',
      async () => damaged(await tarOf(await savedImage({ bytes: 5000 }))),
      'DIGEST_MISMATCH',
    ],
    ["a container's files", async () => tarOf({ 'etc/passwd': 'root' }), 'ARCHIVE_INVALID'],
    [
      'a size beyond all disks',
      async () => withEntries({ name: 'x', size: 2 ** 50, base256: true }),
      'ARCHIVE_INVALID',
    ],
    [
      'a path that leads out',
      async () => withEntries({ name: '../../etc/cron.d/x', body: 'x' }),
      'ARCHIVE_INVALID',
    ],
    ['an absolute path', async () => withEntries({ name: '/etc/cron.d/x', body: 'x' }), 'ARCHIVE_INVALID'],
    [
      'a link that leads out',
      async () => withEntries({ name: 'x', type: '2', linkname: '../../etc/passwd' }),
      'ARCHIVE_INVALID',
    ],
    [
      'a hard link that leads out',
      async () => withEntries({ name: 'x', type: '1', linkname: '/etc/passwd' }),
      'ARCHIVE_INVALID',
    ],
    ['an entry that is there twice', async () => tar([...saved(), ...saved()]), 'ARCHIVE_INVALID'],
    [
      'a layer that is missing',
      async () => tar(saved({ layer: { name: 'other', body: 'x' } })),
      'ARCHIVE_INVALID',
    ],
    [
      'a config that is no JSON',
      async () => tar(saved({ config: { name: 'config.json', body: '{"os"' } })),
      'ARCHIVE_INVALID',
    ],
    [
      'more entries than images have',
      async () => withEntries(...Array.from({ length: 100_001 }, (_, i) => ({ name: `n${i}`, type: '5' }))),
      'ARCHIVE_INVALID',
    ],
    ['a hole of terabytes', async () => Buffer.concat([...hugeHole(), tar(saved())]), 'TOO_LARGE'],
  ])('%s', async (_, bytes, code) => {
    const path = join(folder, 'bad.tar')
    await writeFile(path, await bytes())
    const result = await load(path)
    expect(jsonError(result)).toMatchObject({ code })
    expect(result).toMatchObject({ code: 5, stdout: '' })
    expect(result.stderr).not.toContain('    at ')
    expect(await readdir(folder)).toEqual(['bad.tar'])
  })

  test('a file that is not there', async () => {
    const result = await load(join(folder, 'nothing.tar'))
    expect(jsonError(result)).toMatchObject({ code: 'FILE_NOT_FOUND' })
    expect(result.code).toBe(3)
  })

  test('and says it when no engine is there', async () => {
    const result = await load(await writeArchive(join(folder, 'good.tar'), await savedImage()))
    expect(jsonError(result)).toMatchObject({ code: 'ENGINE_UNREACHABLE' })
    expect(result.code).toBe(8)
  })
})

describeWith([ENGINE], `save and load with ${ENGINE}`, () => {
  const engine = () => ({ DOCKER_HOST: service(ENGINE).dockerHost })
  const own = `imgctl-cli-${process.pid}/app:1.0`
  beforeAll(() => fixtureImages(ENGINE))
  afterAll(() => callEngine(service(ENGINE).socketPath, `/images/${own}`, { method: 'DELETE' }))

  // Of one image: Docker 20.10 puts several in another order each time.
  test('docker save and imgctl image save write the same to stdout', () => {
    const ours = shell(`imgctl image save ${IMAGES.twoLayers} --progress none | sha256sum`, engine())
    const url = `http://x/images/get?names=${IMAGES.twoLayers}`
    const theirs = shell(`curl -sS --unix-socket "${service(ENGINE).socketPath}" "${url}" | sha256sum`)
    expect(ours.stdout).toBe(theirs.stdout)
  })

  test('load prints what docker load prints, in each form', async () => {
    const path = await writeArchive(join(folder, 'app.tar'), await savedImage({ tag: own }))
    const load = (...args: string[]) => imgctl(['image', 'load', '-i', path, ...args], { env: engine() })
    // Podman gives a name without a registry one: localhost.
    const name = ENGINE === 'podman' ? `localhost/${own}` : own
    expect(await load()).toMatchObject({ code: 0, stdout: `Loaded image: ${name}\n` })
    expect(await load('-q')).toMatchObject({ code: 0, stdout: `${name}\n`, stderr: '' })
    const { stdout } = await load('--format', 'json')
    expect(JSON.parse(stdout)).toMatchObject([{ name, platform: 'linux/amd64' }])
    expect(await load('--format', '{{.Name}} {{.Platform}}')).toMatchObject({
      stdout: `${name} linux/amd64\n`,
    })
  })

  test('an image without a name is told by its id', async () => {
    const entries = await savedImage()
    const [manifest] = JSON.parse(entries['manifest.json']!.toString())
    const unnamed = { ...entries, 'manifest.json': JSON.stringify([{ ...manifest, RepoTags: null }]) }
    const path = await writeArchive(join(folder, 'unnamed.tar'), unnamed)
    const result = await imgctl(['image', 'load', '-i', path], { env: engine() })
    const [, id = ''] = /^Loaded image ID: (sha256:[0-9a-f]{64})\n$/.exec(result.stdout) ?? []
    // A containerd store names an image by its manifest, the others by its config.
    if (ENGINE !== 'dockerContainerd') expect(id).toBe(`sha256:${manifest.Config.replace('.json', '')}`)
    const { status } = await callEngine(service(ENGINE).socketPath, `/images/${id}/json`)
    expect(status).toBe(200)
  })

  test('an image that cannot run on the server is loaded, and said so', async () => {
    const entries = await savedPair({ tag: own }, { tag: own.replace(':1.0', ':arm'), architecture: 'arm64' })
    const path = await writeArchive(join(folder, 'arm.tar'), entries)
    const result = await imgctl(['image', 'load', '-i', path, '--quiet'], { env: engine() })
    expect(result.code).toBe(0)
    expect(result.stderr).toMatch(/^warning: .*:arm is linux\/arm64.*\n$/)
    await callEngine(service(ENGINE).socketPath, `/images/${own.replace(':1.0', ':arm')}`, {
      method: 'DELETE',
    })
  })

  test('save, then load of the file, is the same image', async () => {
    const path = join(folder, 'hello.tar.zst')
    const args = ['image', 'save', IMAGES.hello, '--compress', 'zstd', '-o', path]
    expect(await imgctl(args, { env: engine() })).toMatchObject({ code: 0 })
    expect((await readFile(path)).subarray(0, 4)).toEqual(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))
    const loaded = await imgctl(['image', 'load', '-i', path], { env: engine() })
    expect(loaded).toMatchObject({ code: 0, stdout: `Loaded image: ${IMAGES.hello}\n` })
  })
})

const withEntries = (...entries: Entry[]) => tar([...entries, ...saved()])

/** A sparse entry that says to be large and has nothing stored. */
function hugeHole(): Buffer[] {
  const records = { 'GNU.sparse.map': '0,0', 'GNU.sparse.size': String(2 ** 42), 'GNU.sparse.name': 'x' }
  return [entry(pax(records)), entry({ name: 'y' })]
}

/** Runs a shell's command line, `imgctl` in it being ours. */
function shell(line: string, env: Record<string, string> = {}) {
  const stderr = join(root, `stderr-${count}`)
  const command = line.replaceAll('imgctl image', `"${process.execPath}" "${PROGRAM}" image`)
  const script = `{ ${command} ; } 2>"${stderr}"; cat "${stderr}" >&2; true`
  const options = { env: { PATH: process.env['PATH'], ...server.env, ...env }, encoding: 'utf8' as const }
  const stdout = execFileSync('sh', ['-c', script], { ...options, stdio: ['inherit', 'pipe', 'ignore'] })
  return { stdout, stderr: execFileSync('cat', [stderr], { encoding: 'utf8' }) }
}

function damaged(tar: Buffer): Buffer {
  const at = tar.indexOf('app\0') + 512 + 2000
  tar[at]! ^= 1
  return tar
}

async function smallDisk(path: string) {
  await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'imgctl-test', path])
  return { path, unmount: () => execFileSync('umount', ['--lazy', path]) }
}
