import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, jsonError, type Result, serve, type TestServer } from './program.ts'
import { inTerminal } from './terminal.ts'

let server: TestServer
let folder: string
let images = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-images-'))
  server = await serve(['--allow-upstream', '127.0.0.1'])
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await run('image', 'delete', '--all', '--yes')
})

const run = (...args: string[]) => imgctl(args, { env: server.env })

/** Pushes a new image; the same `content` is the same digest. */
async function push(name: string, content = ++images, extra: string[] = []): Promise<string> {
  const archive = join(folder, `${content}.tar`)
  archives.set(content, archives.get(content) ?? writeArchive(archive, await savedImage({ tag: 'any:1' })))
  const { code, stdout, stderr } = await run(
    'image',
    'push',
    await archives.get(content)!,
    '--name',
    name,
    ...extra,
  )
  if (code !== 0) throw new Error(stderr)
  return stdout.trim().split('@')[1]!
}
const archives = new Map<number, Promise<string>>()

const names = async () =>
  (await run('image', 'list', '--sort', 'name', '--order', 'asc', '--format', '{{.Name}}')).stdout
    .split('\n')
    .filter(Boolean)
const json = ({ stdout }: Result) => JSON.parse(stdout)

describe('image list', () => {
  test('of nothing: exit 0, a tip on stderr, an empty array in JSON', async () => {
    expect(await run('image', 'list')).toEqual({
      code: 0,
      stdout: '',
      stderr: "No images found\nUse 'imgctl image push' to push an image.\n",
    })
    expect(await run('image', 'list', '--format', 'json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
    expect(await run('image', 'list', '--quiet')).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('in a pipe: whole values, tabs, no header', async () => {
    const digest = await push('app:1.0')
    const { stdout } = await run('image', 'ls')
    expect(stdout.split('\t')).toEqual([
      'app:1.0',
      'active',
      'true',
      expect.stringMatching(/^\d+$/),
      expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      `${digest}\n`,
    ])
  })

  test('on a terminal: a header, words, short digests', async () => {
    const digest = await push('app:1.0')
    const terminal = inTerminal(['image', 'list'], { ...server.env, NO_COLOR: '1' })
    expect(await terminal.exitCode).toBe(0)
    const [header, row] = terminal.screen().split('\r\n')
    expect(header).toMatch(/^IMAGE +STATE +ENABLED +SIZE +CREATED +DIGEST$/)
    expect(row).toMatch(/^app:1\.0 +ACTIVE +Yes +[\d.]+ k?B +< 1 minute ago +[0-9a-f]{12}$/)
    expect(digest).toContain(row!.split(/\s+/).at(-1))
  })

  test('JSON and YAML say the same: whole ids, integer bytes, RFC 3339', async () => {
    const digest = await push('app:1.0', undefined, ['--label', 'team=web'])
    const [image] = json(await run('image', 'list', '--format', 'json'))
    expect(image).toMatchObject({
      name: 'app:1.0',
      digest,
      state: 'active',
      labels: { team: 'web' },
      platform: 'linux/amd64',
    })
    expect(Number.isInteger(image.size)).toBe(true)
    expect(new Date(image.createdAt).toISOString()).toBe(image.createdAt)
    expect(parse((await run('image', 'list', '--format', 'yaml')).stdout)).toEqual([image])
    expect((await run('image', 'list', '-q')).stdout).toBe(`${image.id}\n`)
  })

  test('filters, sorts and pages', async () => {
    for (const name of ['app:1', 'app:2', 'web:1']) await push(name)
    await run(
      'api',
      'PATCH',
      '/images/web%3A1',
      '--data',
      '{"labels":{"tier":"front"},"visibility":"public"}',
    )
    const list = async (...args: string[]) =>
      (await run('image', 'list', '--sort', 'name', '--order', 'desc', '--format', '{{.Name}}', ...args))
        .stdout
    expect(await list('--name', 'app:*')).toBe('app:2\napp:1\n')
    expect(await list('--label', 'tier=front')).toBe('web:1\n')
    expect(await list('--visibility', 'public')).toBe('web:1\n')
    expect(await list('--state', 'error', '--state', 'removing')).toBe('')
    expect(await list('--limit', '2')).toBe('web:1\napp:2\n')
    expect(await list('--limit', '2', '--page', '2')).toBe('app:1\n')
  })

  test.each([
    [['--state', 'nope'], 2, 'BAD_REQUEST'],
    [['--sort', 'nope'], 2, 'USAGE'],
    [['--limit', '201'], 2, 'USAGE'],
    [['--page', '0'], 2, 'USAGE'],
  ])('%j: exit %d %s', async (args, code, error) => {
    const result = await run('image', 'list', '--format', 'json', ...args)
    expect([result.code, result.stdout, jsonError(result).code]).toEqual([code, '', error])
  })
})

describe('image create', () => {
  test('fetches, waits, and ends with the digest', async () => {
    const digest = await push('app:1.0', undefined, ['--visibility', 'public'])
    const result = await run(
      'image',
      'create',
      `${server.host}/default/app:1.0`,
      '--name',
      'copy:1.0',
      '--label',
      'a=b',
    )
    expect([result.code, result.stdout]).toEqual([0, `copy:1.0@${digest}\n`])
    expect(result.stderr).toContain('✓ Image copy:1.0 successfully created')
    expect(result.stderr).toContain(`✓ Use '${server.host}/default/copy:1.0'`)
    const [copy] = json(await run('image', 'inspect', '--remote', 'copy:1.0'))
    expect(copy).toMatchObject({ labels: { a: 'b' }, source: { kind: 'registry' }, state: 'active' })
    const again = await run(
      'image',
      'add',
      `${server.host}/default/app:1.0`,
      '--name',
      'copy:1.0',
      '--format',
      'json',
    )
    expect(json(again)).toMatchObject({ id: copy.id, digest })
  })

  test.each<[string[], number, string]>([
    [['app'], 2, 'NAME_INVALID'],
    [['app:latest'], 2, 'NAME_INVALID'],
    [['App:1.0'], 2, 'NAME_INVALID'],
    [['app:1.0', '--name', 'x'], 2, 'NAME_INVALID'],
    [['app:1.0', '--entrypoint', "'open"], 2, 'USAGE'],
    [['app:1.0', '--label', 'novalue'], 2, 'USAGE'],
    [['app:1.0', '--timeout', 'soon'], 2, 'USAGE'],
    [['10.255.255.1/x/app:1.0'], 5, 'IMAGE_REJECTED'],
    [['127.0.0.1:9/x/app:1.0', '--timeout', '1s'], 6, 'TIMEOUT'],
  ])('%j: exit %d %s', async (args, code, error) => {
    const result = await run('image', 'create', '--format', 'json', ...args)
    expect([result.code, result.stdout, jsonError(result).code]).toEqual([code, '', error])
    if (code === 2) expect(await names()).toEqual([])
  })

  test('an image that the upstream does not have: the reason, its code and a hint', async () => {
    const result = await run('image', 'create', `${server.host}/default/nothing:1.0`)
    expect(result.code).toBe(5)
    expect(result.stderr).toMatch(
      /error: image \S+nothing:1\.0: processing failed: .*\(UPSTREAM_\w+\)\nhint: \S/,
    )
    expect((await run('image', 'delete', '--all', '--yes')).code).toBe(0)
  })

  test('the deadline: exit 6, and the work goes on', async () => {
    const upstream = await silentRegistry()
    const result = await run(
      'image',
      'create',
      `${upstream}/slow/app:1.0`,
      '--name',
      'slow:1.0',
      '--timeout',
      '1s',
    )
    expect(result.code).toBe(6)
    expect(result.stderr).toContain('still running on the server')
    expect(json(await run('image', 'inspect', '--remote', 'slow:1.0'))[0].state).not.toBe('error')
  })

  test('--no-wait returns at once with the record', async () => {
    const upstream = await silentRegistry()
    const result = await run(
      'image',
      'create',
      `${upstream}/slow/app:2.0`,
      '--name',
      'slow:2.0',
      '--no-wait',
      '--format',
      'json',
    )
    expect(json(result)).toMatchObject({ name: 'slow:2.0', digest: null })
  })

  test('progress as JSON: each state once, every line parses', async () => {
    await push('app:1.0', undefined, ['--visibility', 'public'])
    const args = [`${server.host}/default/app:1.0`, '--name', 'copy:2.0', '--progress', 'json']
    const { stderr } = await run('image', 'create', ...args)
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const states = events
      .filter(({ event }) => event === 'state')
      .map(({ state, step }) => `${state} ${step}`)
    expect(states.at(-1)).toMatch(/^active /)
    expect(new Set(states).size).toBe(states.length)
  })
})

describe('image inspect, enable, disable, retry', () => {
  test('inspect is JSON of every image asked for, by name or id', async () => {
    await push('a:1')
    await push('b:1')
    const [a, b] = json(await run('image', 'inspect', '--remote', 'a:1', 'b:1'))
    expect([a.name, b.name]).toEqual(['a:1', 'b:1'])
    expect((await run('image', 'inspect', '--remote', a.id, '--format', '{{.Name}}')).stdout).toBe('a:1\n')
  })

  test('disable and enable', async () => {
    await push('a:1')
    expect((await run('image', 'disable', 'a:1')).stdout).toBe('Image a:1 disabled\n')
    expect(json(await run('image', 'inspect', '--remote', 'a:1'))[0].enabled).toBe(false)
    expect(json(await run('image', 'enable', 'a:1', '--format', 'json'))).toMatchObject({ enabled: true })
  })

  test.each([
    [['image', 'inspect', '--remote', 'nope:1'], 3, 'IMAGE_NOT_FOUND'],
    [['image', 'enable', 'nope:1'], 3, 'IMAGE_NOT_FOUND'],
    [['image', 'disable', 'nope:1'], 3, 'IMAGE_NOT_FOUND'],
    [['image', 'retry', 'nope:1'], 3, 'IMAGE_NOT_FOUND'],
    [['image', 'delete', 'nope:1'], 3, 'IMAGE_NOT_FOUND'],
  ])('%j: exit %d %s', async (args, code, error) => {
    const result = await run(...args, '--format', 'json')
    expect([result.code, result.stdout, jsonError(result).code]).toEqual([code, '', error])
    expect(jsonError(result).hint).toBeTruthy()
  })

  test('retry works once the cause is gone, and not on what is not in error', async () => {
    const missing = `${server.host}/default/late:1.0`
    expect((await run('image', 'create', missing, '--name', 'copy:1.0')).code).toBe(5)
    await push('late:1.0', undefined, ['--visibility', 'public'])
    expect((await run('image', 'retry', 'copy:1.0')).stdout).toBe('Image copy:1.0 is active\n')
    expect((await run('image', 'retry', 'copy:1.0')).code).toBe(7)
  })
})

describe('image delete', () => {
  test('without a terminal nothing is deleted unasked', async () => {
    await push('a:1')
    const result = await run('image', 'delete', 'a:1', '--format', 'json')
    expect([result.code, jsonError(result)]).toEqual([
      2,
      expect.objectContaining({ code: 'INPUT_REQUIRED', hint: expect.stringContaining('--yes') }),
    ])
    expect(await names()).toEqual(['a:1'])
  })

  test('--dry-run shows what would go and who keeps the content', async () => {
    const digest = await push('a:1', 1)
    await push('b:1', 1)
    const { stdout } = await run('image', 'rm', 'a:1', '--dry-run')
    expect(stdout).toMatch(new RegExp(`^a:1\\t${digest}\\t\\d+\\tb:1\\n$`))
    const plan = json(await run('image', 'delete', 'a:1', '--dry-run', '--format', 'json'))
    expect(plan).toEqual([expect.objectContaining({ name: 'a:1', digest, sharedWith: ['b:1'] })])
    expect(await names()).toEqual(['a:1', 'b:1'])
  })

  test('--yes deletes what is named, and only that', async () => {
    for (const name of ['a:1', 'b:1', 'c:1']) await push(name)
    expect((await run('image', 'delete', 'a:1', 'c:1', '--yes')).stdout).toBe(
      'Image a:1 deleted\nImage c:1 deleted\n',
    )
    expect(await names()).toEqual(['b:1'])
  })

  test('one missing name: nothing is deleted', async () => {
    await push('a:1')
    const { code, stderr } = await run('image', 'delete', 'a:1', 'nope:1', '--yes')
    expect(code).toBe(3)
    expect(stderr).toContain('there is no image "nope:1" (nothing was deleted)')
    expect(await names()).toEqual(['a:1'])
  })

  test('--all --yes in JSON tells each', async () => {
    await push('a:1')
    await push('b:1')
    const outcomes = json(await run('image', 'delete', '--all', '--yes', '--format', 'json'))
    expect(
      outcomes
        .map(({ name, deleted, error }: { name: string; deleted: boolean; error: unknown }) => [
          name,
          deleted,
          error,
        ])
        .sort(),
    ).toEqual([
      ['a:1', true, null],
      ['b:1', true, null],
    ])
    expect(await run('image', 'delete', '--all', '--yes')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No images to delete\n',
    })
  })

  test('a person sees the plan and is asked; no is the default', async () => {
    await push('a:1')
    const terminal = inTerminal(['image', 'delete', 'a:1'], server.env)
    await terminal.shows('Delete image a:1?')
    expect(terminal.screen()).toContain('CONTENT KEPT BY')
    terminal.type('\r')
    expect(await terminal.exitCode).toBe(0)
    expect(terminal.screen()).toContain('Nothing was deleted')
    expect(await names()).toEqual(['a:1'])
  })

  test('Ctrl-C at the question: exit 130, nothing deleted, the cursor is back', async () => {
    await push('a:1')
    const terminal = inTerminal(['image', 'delete', 'a:1'], server.env)
    await terminal.shows('Delete image a:1?')
    terminal.type('\x03')
    expect(await terminal.exitCode).toBe(130)
    expect(terminal.screen().lastIndexOf('\x1b[?25h')).toBeGreaterThanOrEqual(
      terminal.screen().lastIndexOf('\x1b[?25l'),
    )
    expect(await names()).toEqual(['a:1'])
  })

  test('an image that was pushed again since the plan was shown stays', async () => {
    await push('a:1')
    const terminal = inTerminal(['image', 'delete', 'a:1'], server.env)
    await terminal.shows('Delete image a:1?')
    await run('image', 'delete', 'a:1', '--yes')
    const digest = await push('a:1')
    terminal.type('y\r')
    expect(await terminal.exitCode).toBe(3)
    expect(json(await run('image', 'inspect', '--remote', 'a:1'))[0].digest).toBe(digest)
  })

  test('an image whose tag was moved since the plan was shown stays: exit 7', async () => {
    await push('a:1')
    const other = await push('a:2')
    const terminal = inTerminal(['image', 'delete', 'a:1'], server.env)
    await terminal.shows('Delete image a:1?')
    await moveTag('a', '2', '1')
    terminal.type('y\r')
    expect(await terminal.exitCode).toBe(7)
    expect(json(await run('image', 'inspect', '--remote', 'a:1'))[0].digest).toBe(other)
  })

  test('one of three fails: the others go, exit 1, and each is told', async () => {
    for (const name of ['a:1', 'b:1', 'c:1']) await push(name)
    const terminal = inTerminal(['image', 'delete', 'a:1', 'b:1', 'c:1'], server.env)
    await terminal.shows('Delete 3 images?')
    await run('image', 'delete', 'b:1', '--yes')
    terminal.type('y\r')
    expect(await terminal.exitCode).toBe(1)
    await terminal.shows('Image a:1 deleted').catch(() => {})
    for (const text of [
      'Image a:1 deleted',
      'Failed to delete image b:1',
      'Image c:1 deleted',
      '1 of 3 images were not deleted',
    ]) {
      expect(terminal.screen()).toContain(text)
    }
    expect(await names()).toEqual([])
  })

  test.each([
    [['image', 'delete'], 'which images?'],
    [['image', 'delete', 'a:1', '--all'], '--all and names exclude each other'],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stderr } = await run(...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})

/** Gives a repository's tag `to` the manifest of its tag `from`, as any registry client does. */
async function moveTag(repository: string, from: string, to: string): Promise<void> {
  const { stdout } = await run('api', 'GET', `/docker-registry/registry-push-access?repository=${repository}`)
  const { username, secret } = JSON.parse(stdout)
  const authorization = `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`
  const manifests = `${server.url}/v2/default/${repository}/manifests`
  const got = await fetch(`${manifests}/${from}`, { headers: { authorization, accept: '*/*' } })
  const headers = { authorization, 'content-type': got.headers.get('content-type') ?? '' }
  const put = await fetch(`${manifests}/${to}`, { method: 'PUT', headers, body: await got.arrayBuffer() })
  expect([got.status, put.status]).toEqual([200, 201])
}

/** `host:port` of a registry that takes connections and never answers. */
async function silentRegistry(): Promise<string> {
  const sockets = new Set<{ destroy(): void }>()
  const silent = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    await run('image', 'delete', '--all', '--yes')
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const address = silent.address()
  return `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
}
