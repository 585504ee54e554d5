import { expect, test } from 'vitest'
import { type CommandNode, type GroupNode, TREE } from '../../src/commands/tree.ts'
import { EXIT_CODES } from '../../src/errors/codes.ts'
import { runCli } from './run-cli.ts'

test.each<[string, string, string]>([
  ['imag list', "unknown command 'imag'", 'did you mean image?'],
  ['help image lst', "unknown command 'lst'", 'did you mean one of list, ls?'],
  ['help nope', "unknown command 'nope'", 'see imgctl --help'],
  ['image lst', "unknown command 'lst'", 'did you mean one of list, ls?'],
  ['serve userr', "unknown command 'userr'", 'see imgctl serve --help'],
  ['image list --fromat json', "unknown option '--fromat'", 'did you mean --format?'],
  [
    'image list extra',
    "too many arguments for 'list'. Expected 0 arguments but got 1.",
    'see imgctl image list --help',
  ],
  ['image enable', "missing required argument 'image'", 'see imgctl image enable --help'],
  ['image list --name', "option '--name <pattern>' argument missing", 'see imgctl image list --help'],
  ['image list --format xml', 'unknown format "xml"', "table, json, yaml, or a template like '{{.Name}}'"],
  ['api FETCH /x', 'the method is one of GET, HEAD, POST, PUT, PATCH, DELETE', ''],
  ['image delete', 'which images?', 'imgctl image delete NAME..., or --all'],
  ['--server ftp://x whoami', "the server's URL cannot be used: it is not http or https", ''],
  ['serve --tls-cert a.pem', '--tls-cert and --tls-key need each other', ''],
  ['login --api-key a --api-key-stdin', '--api-key and --api-key-stdin exclude each other', ''],
])('%s is wrong usage: exit 2', async (line, message, hint) => {
  const environment = { IMGCTL_API_KEY: 'k' }
  const args = line.split(' ')
  const text = await runCli(args, { environment })
  expect([text.code, text.out]).toEqual([2, ''])
  expect(text.err).toContain(`error: ${message}\n`)
  if (hint) expect(text.err).toContain(`hint: ${hint}\n`)
})

test.each([
  'image lst --format json',
  'image list --fromat x --format=json',
  'image enable --format json',
  'image list --limit 0 -f json',
])('%s: wrong usage as JSON has every key', async (line) => {
  const { code, out, err } = await runCli(line.split(' '))
  expect([code, out]).toEqual([2, ''])
  const { error } = JSON.parse(err)
  expect(Object.keys(error)).toEqual([
    'code',
    'message',
    'context',
    'hint',
    'retryable',
    'status',
    'requestId',
  ])
  expect(error.code).toBe('USAGE')
})

test.each(['', 'image', 'profile', '--help', 'help', 'help image list', 'image list -h', 'help exit-codes'])(
  'help by %j goes to stdout, exit 0',
  async (line) => {
    const { code, out, err } = await runCli(line.split(' ').filter(Boolean))
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^Usage: imgctl|^Exit codes/)
  },
)

test('help of a command has its options, those of every command, and examples', async () => {
  const { out } = await runCli(['image', 'delete', '--help'])
  for (const part of ['--dry-run', '--profile <name>', 'Examples:', 'imgctl image delete --all --yes']) {
    expect(out).toContain(part)
  }
})

test('every error code is in help exit-codes', async () => {
  const { out } = await runCli(['help', 'exit-codes'])
  for (const code of Object.keys(EXIT_CODES)) expect(out).toContain(code)
})

/** Every way to type every command. */
function linesOf(nodes: readonly (CommandNode | GroupNode)[], before: readonly string[] = ['']): string[] {
  return nodes.flatMap((node) => {
    const lines = [node.name, ...(node.aliases ?? [])].flatMap((word) =>
      before.map((group) => `${group} ${word}`.trim()),
    )
    return [...('load' in node ? lines : []), ...('commands' in node ? linesOf(node.commands, lines) : [])]
  })
}

const COMMANDS = linesOf(TREE)

test.each(COMMANDS)('imgctl %s --help works', async (line) => {
  const { code, out } = await runCli([...line.split(' '), '--help'])
  expect(code).toBe(0)
  expect(out).toContain('Examples:')
})

test('global options are taken before and after the command', async () => {
  for (const args of [
    ['--server', 'http://127.0.0.1:9', 'whoami'],
    ['whoami', '--server', 'http://127.0.0.1:9'],
  ]) {
    expect((await runCli(args)).err).toContain('http://127.0.0.1:9')
  }
})

test.each<[string, number, string]>([
  ['whoami', 4, 'not logged in to http://127.0.0.1:7700'],
  ['image list', 4, 'not logged in'],
  ['image delete --all', 4, 'not logged in'],
  ['image list --profile nope', 3, 'no profile is called "nope"'],
  ['profile use nope', 3, 'no profile is called "nope"'],
  ['profile remove nope', 3, 'no profile is called "nope"'],
  ['login', 2, 'nobody can be asked how to log in'],
])('%s with nothing set up: exit %d, a hint, no question', async (line, exit, message) => {
  const { code, out, err } = await runCli(line.split(' '))
  expect([code, out]).toEqual([exit, ''])
  expect(err).toContain(`error: ${message}`)
  expect(err).toContain('hint: ')
})

test('serve on a Node that cannot: exit 1, and which Node it needs', async () => {
  const { code, err } = await runCli(['serve'], { node: '20.19.0' })
  expect(code).toBe(1)
  expect(err).toMatch(/needs Node\.js 22\.13 or newer, this is 20\.19\.0\nhint: /)
})

test('an answer is never asked for with --no-input, terminal or not', async () => {
  const { code, err } = await runCli(['login', '--no-input'], { tty: true, environment: { NO_COLOR: '1' } })
  expect(code).toBe(2)
  expect(err).toContain('hint: --device logs in with a code, --api-key-stdin with a key')
})
