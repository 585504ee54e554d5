import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createListener, type ListenOptions, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ENGINES } from '../services/engines.ts'
import { describeWith, service } from '../services/use.ts'
import { savedImage, writeArchive } from './archives.ts'
import { imgctl, serve, type TestServer } from './program.ts'
import {
  completeInBash,
  completeInFish,
  completeInZsh,
  runShell,
  type ShellFolder,
  shellFolder,
} from './shells.ts'

let server: TestServer
let folder: string
let shells: ShellFolder
beforeAll(async () => {
  server = await serve()
  folder = await mkdtemp(join(tmpdir(), 'imgctl-completion-'))
  shells = await shellFolder(folder)
  const archive = await writeArchive(join(folder, 'app.tar'), await savedImage())
  for (const name of ['app:1.0', 'app:1.1', 'only:2.0', 'team/web:3.0']) {
    const pushed = await imgctl(['image', 'push', archive, '--name', name, '--quiet'], { env: server.env })
    if (pushed.code !== 0) throw new Error(pushed.stderr)
  }
  await imgctl(['login', '--profile', 'work', '--api-key-stdin'], {
    env: { ...server.env, IMGCTL_API_KEY: undefined },
    input: server.apiKey,
  })
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => writeFile(shells.log, ''))

const NO_ENGINE = { DOCKER_HOST: 'unix:///nowhere/docker.sock' }
const online = () => ({ ...server.env, ...NO_ENGINE })

describe('bash', () => {
  test('reading the script registers a function and needs no other program', async () => {
    const read = ['--norc', '-c', 'PATH=; source "$1"; complete -p imgctl', 'bash', shells.scripts.bash]
    expect(await runShell(shells, 'bash', read, {})).toBe('complete -F _imgctl imgctl\n')
    expect(await readFile(shells.log, 'utf8')).toBe('')
  })

  test.each([
    ['imgctl im', ['image']],
    ['imgctl image pus', ['push']],
    ['imgctl images pus', ['push']],
    ['imgctl image push --dig', ['--digest-file']],
    ['imgctl image push --via ', ['auto', 'engine', 'direct']],
    ['imgctl image push --via = e', ['engine']],
    ['imgctl image list -f j', ['json']],
    ['imgctl --profile x --debug image li', ['list']],
    ['imgctl image push --no-wait --name x --meta', ['--metadata-file']],
    ['imgctl image push --metadata-file b', ['b.txt', 'big.tar']],
    ['imgctl serve --data ', ['dir']],
    ['imgctl completion ', ['bash', 'zsh', 'fish', 'powershell']],
    ['imgctl api PA', ['PATCH']],
    ['imgctl api GET ', []],
    ['imgctl image list ', []],
    ['imgctl image push ./w', ['./with space.tar.gz']],
    ['imgctl image push b', ['big.tar']],
    ['imgctl image push oci : d', ['dir']],
  ])('%j offers %j', async (line, offered) => {
    expect((await completeInBash(shells, line.split(' '), NO_ENGINE)).sort()).toEqual(offered.sort())
  })

  test.each([
    ['imgctl image delete ', ['app:', 'only:2.0', 'team/web:3.0']],
    ['imgctl image delete app :', ['1.0', '1.1']],
    ['imgctl image delete app : 1.1', ['1.1']],
    ['imgctl image delete app:1.0 te', ['team/web:3.0']],
    ['imgctl image enable nope', []],
    ['imgctl image inspect --remote on', ['only:2.0']],
    ['imgctl profile use ', ['work']],
    ['imgctl --profile = w', ['work']],
  ])('of names, %j offers %j', async (line, offered) => {
    await asked(() => completeInBash(shells, line.split(' '), online())).toEqual(offered)
  })

  test('a file whose name is typed with escapes', async () => {
    const words = ['imgctl', 'image', 'push', './with\\ s']
    expect(await completeInBash(shells, words, NO_ENGINE)).toEqual(['./with space.tar.gz'])
  })

  test('words alone start no imgctl', async () => {
    await completeInBash(shells, ['imgctl', 'image', 'push', '--via', ''], online())
    expect(await readFile(shells.log, 'utf8')).toBe('')
  })
})

/** A busy machine lets the time for names pass without a word. Then the tabulator is pressed again. */
function asked<T>(press: () => Promise<T>) {
  return expect.poll(press, { timeout: 30_000, interval: 100 })
}

describeWith(['zsh'], 'zsh', () => {
  const press = (line: string, env = online()) => completeInZsh(shells, line, env)

  test.each([
    ['imgctl im', 'imgctl image '],
    ['imgctl image pus', 'imgctl image push '],
    ['imgctl image push --dig', 'imgctl image push --digest-file '],
    ['imgctl image push --via e', 'imgctl image push --via engine '],
    ['imgctl image push --via=e', 'imgctl image push --via=engine '],
    ['imgctl --profile x image li', 'imgctl --profile x image list '],
    ['imgctl image push ./w', 'imgctl image push ./with\\ space.tar.gz '],
    ['imgctl image push bi', 'imgctl image push big.tar '],
    ['imgctl image push oci:d', 'imgctl image push oci:dir/'],
    ['imgctl api PA', 'imgctl api PATCH '],
    ['imgctl image delete on', 'imgctl image delete only:2.0 '],
    ['imgctl image delete app:1.0 te', 'imgctl image delete app:1.0 team/web:3.0 '],
    ['imgctl image delete ap', 'imgctl image delete app:'],
    ['imgctl profile use w', 'imgctl profile use work '],
    ['imgctl image delete no', 'imgctl image delete no'],
  ])('%j becomes %j', async (line, after) => {
    await asked(() => press(line)).toBe(after)
  })

  test('reading the script starts no imgctl', async () => {
    await runShell(
      shells,
      'zsh',
      ['-f', '-c', 'compdef() {}; PATH=; source "$1"', 'zsh', shells.scripts.zsh],
      {},
    )
    expect(await readFile(shells.log, 'utf8')).toBe('')
  })
})

describeWith(['fish'], 'fish', () => {
  test.each([
    ['imgctl im', ['image']],
    ['imgctl image pus', ['push']],
    ['imgctl image push --dig', ['--digest-file']],
    ['imgctl image push --via ', ['auto', 'direct', 'engine']],
    ['imgctl image push --via=e', ['--via=engine']],
    ['imgctl --profile x image li', ['list']],
    ['imgctl image push ./w', ['./with space.tar.gz']],
    ['imgctl serve --data ', ['dir/']],
    ['imgctl api PA', ['PATCH']],
    ['imgctl api GET ', []],
    ['imgctl image delete ', ['app:', 'only:2.0', 'team/web:3.0']],
    ['imgctl image delete app:', ['app:1.0', 'app:1.1']],
    ['imgctl image delete app:1.0 te', ['team/web:3.0']],
    ['imgctl profile use ', ['work']],
    ['imgctl --profile=w', ['--profile=work']],
  ])('%j offers %j', async (line, offered) => {
    await asked(() => completeInFish(shells, line, online())).toEqual(offered)
  })

  test('reading the script starts no imgctl', async () => {
    await runShell(shells, 'fish', ['--no-config', '-c', 'source $argv[1]', shells.scripts.fish], {})
    expect(await readFile(shells.log, 'utf8')).toBe('')
  })
})

describe('names are a help, and silent without it', () => {
  let silent: Server
  beforeAll(async () => {
    silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const hanging = () => `http://127.0.0.1:${(silent.address() as AddressInfo).port}`

  test.each<[string, () => Record<string, string>]>([
    ['offline', () => ({ IMGCTL_SERVER: 'http://127.0.0.1:9', IMGCTL_API_KEY: 'k' })],
    ['not logged in', () => ({ IMGCTL_SERVER: server.url })],
    ['a key that nobody knows', () => ({ IMGCTL_SERVER: server.url, IMGCTL_API_KEY: 'k' })],
    ['a server that never answers', () => ({ IMGCTL_SERVER: hanging(), IMGCTL_API_KEY: 'k' })],
    ['settings that cannot be', () => ({ IMGCTL_SERVER: 'ftp://x', HTTPS_PROXY: 'ftp://x' })],
    ['no such profile', () => ({ IMGCTL_PROFILE: 'nope' })],
    ['an engine address that is none', () => ({ DOCKER_HOST: 'nonsense://x' })],
    ['an engine behind ssh', () => ({ DOCKER_HOST: 'ssh://user@127.0.0.1:9' })],
  ])('%s', async (_, env) => {
    const config = { IMGCTL_CONFIG_DIR: join(folder, 'empty'), ...NO_ENGINE }
    for (const words of [
      ['image', 'save', ''],
      ['image', 'push', ''],
      ['image', 'delete', 'a'],
    ]) {
      const result = await imgctl(['__complete', ...words], { env: { ...config, ...env() } })
      expect(result).toEqual({ code: 0, stdout: '', stderr: '' })
    }
  })

  test.each([
    [['--format', 'json', '--nonsense', '']],
    [['--help']],
    [['image', 'delete', '--', '-x']],
    [[]],
    [['image', 'delete', '*']],
    [['image', 'delete', '\u001b[31m']],
  ])('whatever is on the line: %j', async (words) => {
    const env = { ...online(), IMGCTL_API_KEY: 'k' }
    expect(await imgctl(['__complete', ...words], { env })).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('a server that hangs does not hold back what the other source has', async () => {
    const env = { ...server.env, IMGCTL_SERVER: hanging(), ...NO_ENGINE }
    expect(await completeInBash(shells, ['imgctl', 'image', 'save', ''], env)).toEqual([])
    await asked(() => completeInBash(shells, ['imgctl', 'profile', 'use', ''], env)).toEqual(['work'])
  })
})

describe('an engine and a server that take a connection and never answer', () => {
  let engine: Stalled
  let remote: Stalled
  beforeAll(async () => {
    engine = await stalled({ path: join(folder, 'stalled.sock') })
    remote = await stalled({ host: '127.0.0.1', port: 0 })
  })
  afterAll(() => Promise.all([engine.close(), remote.close()]))

  const stalledEngine = () => ({ DOCKER_HOST: `unix://${engine.address}` })
  const both = () => ({
    ...server.env,
    ...stalledEngine(),
    IMGCTL_SERVER: `http://127.0.0.1:${remote.address}`,
  })

  const shell = (
    name: string,
    offered: (line: string, env: Record<string, string>) => Promise<readonly string[]>,
  ) => {
    test(`${name} offers nothing, says nothing and waits for nobody`, async () => {
      await asked(async () => {
        const before = [engine.connections(), remote.connections()]
        expect(await offered('imgctl image save a', both())).toEqual([])
        // Both were asked: it is their silence that leads to nothing.
        return [engine.connections() > before[0]!, remote.connections() > before[1]!]
      }).toEqual([true, true])
      await expect.poll(() => [engine.open(), remote.open()]).toEqual([0, 0])
    })

    test(`${name} offers what the server has while the engine is silent`, async () => {
      const env = { ...server.env, ...stalledEngine() }
      const before = engine.connections()
      await asked(() => offered('imgctl image save on', env)).toEqual(['only:2.0'])
      expect(engine.connections()).toBeGreaterThan(before)
    })
  }

  shell('bash', (line, env) => completeInBash(shells, line.split(' '), env))
  describeWith(['fish'], 'fish', () => shell('fish', (line, env) => completeInFish(shells, line, env)))
  describeWith(['zsh'], 'zsh', () => {
    shell('zsh', async (line, env) => {
      const after = (await completeInZsh(shells, line, env)).trimEnd()
      return after === line ? [] : [after.slice(after.lastIndexOf(' ') + 1)]
    })
  })
})

interface Stalled {
  /** The path of a socket, or a port. */
  readonly address: string
  /** How many there were in all, and how many are open. */
  readonly connections: () => number
  readonly open: () => number
  readonly close: () => Promise<void>
}

/** Takes connections and never says a word. */
async function stalled(where: ListenOptions): Promise<Stalled> {
  const sockets = new Set<Socket>()
  let connections = 0
  const listener = createListener((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => listener.listen(where, resolve))
  const address = listener.address()
  return {
    address: typeof address === 'string' ? address : String((address as AddressInfo).port),
    connections: () => connections,
    open: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

for (const engine of ENGINES) {
  describeWith([engine], `names of ${engine}`, () => {
    test('are offered for commands that take them, beside those of the server', async () => {
      const { fixtureImages, IMAGES } = await import('../services/fixtures.ts')
      await fixtureImages(engine)
      const prefix = IMAGES.hello.slice(0, IMAGES.hello.lastIndexOf(':'))
      const env = { ...server.env, DOCKER_HOST: service(engine).dockerHost }
      const complete = async (...words: string[]) => {
        const { stdout } = await imgctl(['__complete', 'image', ...words], { env })
        return stdout.split('\n')
      }
      await asked(() => complete('push', `${prefix}:`)).toContain(IMAGES.hello)
      await asked(() => complete('save', 'on')).toContain('only:2.0')
      expect(await complete('save', '--local', 'only:')).not.toContain('only:2.0')
      expect(await complete('save', '--remote', `${prefix}:`)).not.toContain(IMAGES.hello)
      expect(await complete('delete', `${prefix}:`)).not.toContain(IMAGES.hello)
    })

    test('are offered while the server is silent', async () => {
      const { fixtureImages, IMAGES } = await import('../services/fixtures.ts')
      await fixtureImages(engine)
      const remote = await stalled({ host: '127.0.0.1', port: 0 })
      const IMGCTL_SERVER = `http://127.0.0.1:${remote.address}`
      const env = { ...server.env, IMGCTL_SERVER, DOCKER_HOST: service(engine).dockerHost }
      const words = ['imgctl', 'image', 'save', ...IMAGES.hello.split(/(:)/)]
      const tag = IMAGES.hello.slice(IMAGES.hello.lastIndexOf(':') + 1)
      await asked(() => completeInBash(shells, words, env)).toEqual([tag])
      expect(remote.connections()).toBeGreaterThan(0)
      await remote.close()
    })
  })
}

test('an unknown shell is a usage error that names those there are', async () => {
  expect(await imgctl(['completion', 'tcsh'])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: there is no completion for "tcsh"\nhint: shells: bash, zsh, fish, powershell\n',
  })
})

test('PowerShell is not at hand: its script is read as its language is written', async () => {
  const script = await readFile(shells.scripts.powershell, 'utf8')
  expect(script).toContain('Register-ArgumentCompleter -Native -CommandName imgctl -ScriptBlock {')
  expect(script).toContain("$values['image push/--via'] = 'words auto engine direct'")
  // CompletionResult throws for an empty text or tooltip, and Windows PowerShell reads no UTF-8 from a pipe.
  expect(script).not.toMatch(/@\((?:'', |'[^']+', ''\))/)
  expect(script).toMatch(/^[\x00-\x7f]+$/)
  const { open, brackets, keys } = readPowerShell(script)
  expect(open).toEqual([])
  expect(brackets).toBeGreaterThan(1000)
  // A literal table with a key twice is an error, and their case does not count.
  for (const [table, names] of keys) {
    const lower = names.map((name) => name.toLowerCase())
    expect(new Set(lower).size, table).toBe(lower.length)
  }
  expect([...keys.keys()]).toEqual(['subcommands', 'switches', 'operands', 'ways'])
})

/**
 * Goes through a script of PowerShell: comments, strings and brackets. In a string of single quotes nothing but a
 * quote counts, and typographic quotes are quotes too. `keys` are those of each literal table that is assigned.
 * https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules
 */
function readPowerShell(script: string) {
  const open: string[] = []
  const keys = new Map<string, string[]>()
  const closers: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' }
  const token =
    /#[^\n]*|['\u2018-\u201b]((?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*)['\u2018-\u201b]|"(?:[^"`]|`.)*"|\$(\w+) = @\{|[{}()[\]'"\u2018-\u201b]/gs
  let brackets = 0
  let table: string | undefined
  for (const match of script.matchAll(token)) {
    const [text, string, name] = match
    if (text.startsWith('#') || text.startsWith('"')) {
      if (text === '"') throw new Error('a string has no end')
      continue
    }
    if (string !== undefined) {
      const after = script[match.index + text.length] ?? ''
      if (/\w/.test(after)) throw new Error(`a string ends in the middle of a word: ${text}`)
      const isKey = script.startsWith(' = ', match.index + text.length)
      if (isKey && table !== undefined && open.length === 2) keys.get(table)?.push(string)
      continue
    }
    brackets++
    if (name !== undefined) {
      table = name
      keys.set(name, [])
      open.push('}')
    } else if (closers[text]) open.push(closers[text])
    else if (open.pop() !== text) throw new Error(`${JSON.stringify(text)} closes nothing`)
    if (open.length < 2) table = undefined
  }
  return { open, brackets, keys }
}
