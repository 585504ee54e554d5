import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REGISTRY_USER } from '../services/registry.ts'
import { describeWith, ownRegistry } from '../services/use.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, jsonError, type Options, serve, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

const { username, password } = REGISTRY_USER

describeWith(['privateRegistry'], 'a private registry', () => {
  const registry = ownRegistry({ auth: true })
  let server: TestServer
  let folder: string
  /** All that was said on any stream: no password may be in it. */
  let said = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imgctl-registries-'))
    server = await serve(['--allow-upstream', '127.0.0.1', '--log-level', 'debug'])
    await publish('team/app:1.0')
  })
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function run(args: string[], options: Options = {}) {
    const result = await imgctl(args, { ...options, env: { ...server.env, ...options.env } })
    said += result.stdout + result.stderr
    return result
  }

  /** Puts an image into the private registry, with docker's credentials. */
  async function publish(reference: string): Promise<void> {
    const archive = await writeArchive(join(folder, 'image.tar'), await savedImage({ tag: 'any:1' }))
    const auth = Buffer.from(`${username}:${password}`).toString('base64')
    await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry().host]: { auth } } }))
    const args = ['image', 'push', archive, '--to', `${registry().host}/${reference}`]
    const { code, stderr } = await imgctl(args, { env: { ...server.env, DOCKER_CONFIG: folder } })
    expect([code, stderr]).toEqual([0, expect.any(String)])
  }

  const create = (name: string) =>
    run(['image', 'create', `${registry().host}/team/app:1.0`, '--name', name, '--progress', 'json'])
  const list = async () => JSON.parse((await run(['registry', 'list', '--format', 'json'])).stdout)

  test('is not fetched from before it is added', async () => {
    expect(await run(['registry', 'list'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No registries found\nAdd one: imgctl registry add HOST --username NAME\n',
    })
    const refused = await create('before:1')
    expect(refused.code).toBe(5)
    expect(jsonError(refused).message).toMatch(/401|credentials|auth/i)
  })

  test('is added with a password from stdin, and fetched from', async () => {
    const args = ['registry', 'add', registry().host, '--username', username, '--password-stdin']
    const added = await run(args, { input: `${password}\n` })
    expect([added.code, added.stdout]).toEqual([0, ''])
    expect(added.stderr).toContain(`Registry ${registry().host} (${registry().host}) added`)
    expect(await list()).toEqual([
      expect.objectContaining({ url: registry().host, secure: false, username, isDefault: false }),
    ])
    const fetched = await create('app:1.0')
    expect([fetched.code, fetched.stdout]).toEqual([0, expect.stringMatching(/^app:1\.0@sha256:/)])
  })

  test('is not added twice', async () => {
    const args = ['registry', 'add', registry().host, '--username', username, '--password-stdin']
    const again = await run(args, { input: 'x' })
    expect([again.code, again.stderr]).toEqual([7, expect.stringMatching(/^error: .*already/)])
    expect(await list()).toHaveLength(1)
  })

  test('a wrong password is told by the image, and mended by an update', async () => {
    expect((await run(['registry', 'update', registry().host, '-p', 'wrong-secret'])).stderr).toContain(
      'warning: --password is visible',
    )
    expect((await create('wrong:1')).code).toBe(5)
    const terminal = inTerminal(['registry', 'update', registry().host], server.env)
    await terminal.shows(`Password of ${username}`)
    terminal.type(`${password}\r`)
    expect(await terminal.exitCode).toBe(0)
    said += terminal.screen()
    const retried = await run(['image', 'retry', 'wrong:1'])
    expect([retried.code, retried.stderr]).toEqual([0, expect.any(String)])
  })

  test('is changed by name; another host asks for the password', async () => {
    const renamed = await run(['registry', 'update', registry().host, '--name', 'lan', '--project', 'team'])
    expect([renamed.code, (await list())[0]]).toEqual([
      0,
      expect.objectContaining({ name: 'lan', project: 'team', username }),
    ])
    const moved = await run(['registry', 'update', 'lan', '--url', 'evil.example', '--no-input'])
    expect([moved.code, moved.stderr]).toEqual([2, expect.stringContaining('--password-stdin')])
    expect((await list())[0].url).toBe(registry().host)
  })

  test('credentials go to exactly that host: localhost is another one', async () => {
    const { port } = new URL(registry().url)
    const args = ['image', 'create', `localhost:${port}/team/app:1.0`, '--name', 'other-host:1']
    const other = await imgctl(args, { env: server.env })
    expect(other.code).toBe(5)
  })

  test('is never what a name without a host means', async () => {
    const marked = await run(['api', 'POST', `/docker-registry/${(await list())[0].id}/set-default`])
    expect([marked.code, JSON.parse(marked.stdout).isDefault]).toEqual([0, true])
    const created = await run([
      'image',
      'create',
      'team/app:1.0',
      '--name',
      'hub:1',
      '--no-wait',
      '--format',
      'json',
    ])
    expect(JSON.parse(created.stdout).source).toMatchObject({ reference: 'docker.io/team/app:1.0' })
  })

  test('is removed', async () => {
    expect((await run(['registry', 'remove', 'lan'])).stderr).toContain('Registry lan')
    expect(await list()).toEqual([])
    const gone = await run(['registry', 'remove', 'lan'])
    expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining('imgctl registry list')])
    expect((await create('after:1')).code).toBe(5)
    expect((await run(['image', 'inspect', '--remote', 'app:1.0'])).code).toBe(0)
  })

  test.each([
    [['registry', 'add', 'ghcr.io', '--password-stdin'], 'x'],
    [['registry', 'add', 'ghcr.io', '-u', 'x'], undefined],
    [['registry', 'add', 'ghcr.io', '-u', 'x', '--password-stdin'], '\n'],
    [['registry', 'add', 'ghcr.io', '-u', 'x', '--password-stdin'], 'a\nb\n'],
    [['registry', 'add', 'ghcr.io', '-u', 'x', '--password-stdin', '-p', 'y'], 'y'],
    [['registry', 'add', 'ghcr.io/team', '-u', 'x', '--password-stdin'], 'x'],
    [['registry', 'add', 'https://u:p@ghcr.io', '-u', 'x', '--password-stdin'], 'x'],
  ])('%j is wrong usage, and nothing is stored', async (args, input) => {
    const { code, stderr } = await run(args, input === undefined ? {} : { input })
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: /)])
    expect(await list()).toEqual([])
  })

  test('no password is in what was said, in the log, or in the data folder', async () => {
    const database = await readFile(join(server.folder, 'data/imgctl.db'))
    const wal = await readFile(join(server.folder, 'data/imgctl.db-wal')).catch(() => Buffer.alloc(0))
    for (const secret of [password, 'wrong-secret']) {
      expect(said).not.toContain(secret)
      expect(server.log()).not.toContain(secret)
      expect(Buffer.concat([database, wal]).includes(secret)).toBe(false)
    }
    expect(server.log()).toContain('/api/docker-registry')
  })
})
