import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, type Options, serve, type TestServer } from './program.ts'

let server: TestServer
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgctl-api-'))
  server = await serve()
  const archive = await writeArchive(join(folder, 'image.tar'), await savedImage({ tag: 'any:1' }))
  for (const name of ['a:1', 'b:1', 'c:1']) {
    const { code, stderr } = await imgctl(['image', 'push', archive, '--name', name], { env: server.env })
    expect([code, stderr]).toEqual([0, expect.any(String)])
  }
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const api = (args: string[], options: Options = {}) =>
  imgctl(['api', ...args], { ...options, env: { ...server.env, ...options.env } })

describe('a request', () => {
  test.each([['/users/me'], ['users/me'], ['/api/users/me']])(
    'to %s: the body as it came, nothing on stderr',
    async (path) => {
      const { code, stdout, stderr } = await api(['get', path])
      expect([code, stderr, JSON.parse(stdout).keyName]).toEqual([0, '', 'first'])
    },
  )

  test("to a whole URL of this server; the key goes to no other's", async () => {
    expect((await api(['GET', `${server.url}/api/users/me`])).code).toBe(0)
    for (const url of ['https://evil.example/api/users/me', `${server.url}@evil.example/`]) {
      const { code, stdout, stderr } = await api(['GET', url])
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain(`this is not a URL of ${server.url}`)
    }
    expect((await api(['GET', '/../v2/'])).code).not.toBe(0)
  })

  test('with a query', async () => {
    const { stdout } = await api(['GET', '/images?limit=1&sort=name&order=desc'])
    expect(JSON.parse(stdout).items.map(({ name }: { name: string }) => name)).toEqual(['c:1'])
  })

  test('with a body: on the command line, from a file, from stdin', async () => {
    const body = (text: string) => JSON.stringify({ description: text })
    const file = join(folder, 'body.json')
    await writeFile(file, body('from a file'))
    for (const [data, input] of [
      [body('typed'), undefined],
      [`@${file}`, undefined],
      ['@-', body('piped')],
      ['-', body('piped too')],
    ] as const) {
      const { code, stdout } = await api(['PATCH', '/images/a:1', '-d', data], input ? { input } : {})
      const wanted = JSON.parse(input ?? (data.startsWith('@') ? body('from a file') : data)).description
      expect([code, JSON.parse(stdout).description]).toEqual([0, wanted])
    }
  })

  test('with --include: status line, headers, body; with --quiet nothing', async () => {
    const { stdout } = await api(['GET', '/health', '--include'])
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\n(?:[a-z0-9-]+: .*\n)+\n\{"status":"ok"\}\n$/)
    expect(stdout).toMatch(/\nx-request-id: \S+\n/)
    expect(await api(['GET', '/health', '--quiet', '--include'])).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('with one more header', async () => {
    const digest = `sha256:${'0'.repeat(64)}`
    const { code, stderr } = await api(['DELETE', '/images/a:1', '-H', `If-Match: "${digest}"`])
    expect([code, stderr]).toEqual([7, expect.stringMatching(/^error: /)])
    expect((await api(['GET', '/images/a:1', '-q'])).code).toBe(0)
  })

  test('HEAD: no body, and the exit code of what is not there', async () => {
    expect(await api(['HEAD', '/images/a:1'])).toEqual({ code: 0, stdout: '', stderr: '' })
    const absent = await api(['HEAD', '/images/none:1'])
    expect([absent.code, absent.stdout]).toEqual([3, ''])
  })

  test('--paginate: every page, as one array', async () => {
    const { code, stdout } = await api(['GET', '/images?limit=1&sort=name&order=asc&page=1', '--paginate'])
    const items = JSON.parse(stdout) as { name: string }[]
    expect([code, items.map(({ name }) => name)]).toEqual([0, ['a:1', 'b:1', 'c:1']])
    expect(JSON.parse((await api(['GET', '/api-keys', '--paginate'])).stdout)).toHaveLength(1)
    expect((await api(['GET', '/images?name=none', '--paginate'])).stdout).toBe('[]\n')
    const single = await api(['GET', '/images/a:1', '--paginate'])
    expect([single.code, single.stdout]).toEqual([1, ''])
  })
})

describe('a failure', () => {
  test.each([
    [3, ['GET', '/nope']],
    [3, ['GET', '/images/none:1']],
    [2, ['POST', '/images', '-d', '{"nme":1}']],
    [7, ['POST', '/api-keys', '-d', '{"name":"first","permissions":["admin"]}']],
    [5, ['POST', '/images', '-d', '@-'], JSON.stringify({ description: 'x'.repeat(2 * 1024 * 1024) })],
  ])('exits with %i: %j', async (code, args, input?: string) => {
    const result = await api(args, input === undefined ? {} : { input })
    expect([result.code, result.stdout]).toEqual([code, ''])
    expect(result.stderr).toMatch(/^error: /)
  })

  test('shows the answer with --include, and is one all the same', async () => {
    const { code, stdout, stderr } = await api(['GET', '/images/none:1', '-i'])
    expect(code).toBe(3)
    expect(stdout).toMatch(/^HTTP\/1\.1 404 Not Found\n/)
    expect(JSON.parse(stdout.slice(stdout.indexOf('\n\n')))).toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    expect(stderr).toMatch(/^error: /)
  })

  test('without a valid key: exit 4; without a server: exit 8', async () => {
    const wrong = { IMGCTL_API_KEY: `img_${'A'.repeat(43)}` }
    expect((await api(['GET', '/users/me'], { env: wrong })).code).toBe(4)
    const nowhere = { IMGCTL_SERVER: 'http://127.0.0.1:9' }
    expect((await api(['GET', '/users/me'], { env: nowhere })).code).toBe(8)
  })

  test.each([
    [2, ['TRACE', '/images']],
    [2, ['GET', '/images', '-d', '{}']],
    [2, ['POST', '/images', '-d', 'x']],
    [3, ['POST', '/images', '-d', '@']],
    [3, ['POST', '/images', '-d', '@/no/such/file']],
    [1, ['POST', '/images', '-d', `@${tmpdir()}`]],
    [2, ['GET', '/images', '-H', 'Authorization: Bearer x']],
    [2, ['GET', '/images', '-H', 'no colon']],
    [2, ['GET', '/images', '-H', 'X-A: b\r\nX-C: d']],
    [2, ['POST', '/images', '--paginate']],
    [2, ['GET', '/images', '--paginate', '--include']],
    [2, ['GET', 'https://']],
  ])('of the command line exits with %i, and nothing is sent: %j', async (code, args) => {
    const result = await api(args)
    expect([result.code, result.stdout]).toEqual([code, ''])
    expect(result.stderr).toMatch(/^error: /)
    expect(result.stderr).not.toContain('Bearer x')
  })
})

describe('audit list', () => {
  const audit = (...args: string[]) => imgctl(['audit', 'list', ...args], { env: server.env })

  test('shows who changed what, newest first', async () => {
    await api(['PATCH', '/images/b:1/toggle', '-d', '{"enabled":false}'])
    const { code, stdout } = await audit('--target', 'b:1', '--format', 'json')
    const entries = JSON.parse(stdout) as { action: string; user: string; key: string; requestId: string }[]
    expect([code, entries.map(({ action }) => action)]).toEqual([0, ['image.toggle', 'image.create']])
    expect(entries[0]).toMatchObject({ user: 'administrator', key: 'first' })
    const lines = (await audit('--limit', '2')).stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]?.split('\t').slice(1, 5)).toEqual(['administrator', 'first', 'image.toggle', 'b:1'])
  })

  test('of nothing: exit 0; of a wrong time: exit 2', async () => {
    expect(await audit('--user', 'nobody')).toEqual({ code: 0, stdout: '', stderr: 'No changes found\n' })
    const wrong = await audit('--since', 'yesterday')
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('--since does not take "yesterday"'),
    ])
    expect(JSON.parse((await audit('--since', '1h', '--format', 'json')).stdout).length).toBeGreaterThan(2)
  })
})
