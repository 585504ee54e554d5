// Writes docs/reference/*.md and docs/exit-codes.md from the command tree. With --check nothing is written, and
// the exit code is 1 when a file is not what it should be.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Command, Option } from 'commander'
import { commandPath, createCommandTree } from '../src/cli/command-tree.ts'
import { exitCodeRows } from '../src/cli/exit-codes.ts'

const DOCS = join(import.meta.dirname, '..', 'docs')
const REFERENCE = join(DOCS, 'reference')
const GENERATED = '<!-- Written by scripts/docs.ts from the command tree: npm run docs -->'

const tree = createCommandTree(async () => {}, {})
const definitions = await tree.loadAll()
const wanted = new Map([
  [join(DOCS, 'exit-codes.md'), exitCodesPage()],
  [join(REFERENCE, 'README.md'), indexPage()],
  ...[...definitions.keys()].map(
    (command) => [join(REFERENCE, `${fileName(command)}.md`), commandPage(command)] as const,
  ),
])

const stale = await findStale()
if (process.argv.includes('--check')) {
  for (const file of stale) console.error(`stale: ${relative(process.cwd(), file)}`)
  if (stale.length > 0) console.error('hint: npm run docs')
  process.exitCode = stale.length > 0 ? 1 : 0
} else {
  await mkdir(REFERENCE, { recursive: true })
  for (const file of stale) {
    const text = wanted.get(file)
    await (text === undefined ? rm(file) : writeFile(file, text))
  }
  console.log(`docs: ${wanted.size} files, ${stale.length} changed`)
}

/** Files that are missing, different, or belong to a command that is gone. */
async function findStale(): Promise<string[]> {
  const present = await readdir(REFERENCE).catch(() => [])
  const files = new Set([...wanted.keys(), ...present.map((name) => join(REFERENCE, name))])
  const differs = await Promise.all(
    [...files].map(
      async (file) => (await readFile(file, 'utf8').catch(() => undefined)) !== wanted.get(file),
    ),
  )
  return [...files].filter((_, index) => differs[index])
}

function fileName(command: Command): string {
  return commandPath(command).replaceAll(' ', '-')
}

function indexPage(): string {
  const rows = [...definitions.keys()].map(
    (command) => `| [${commandPath(command)}](${fileName(command)}.md) | ${command.summary()} |`,
  )
  return page([
    '# Command reference',
    ['| command | what it does |', '|---|---|', ...rows].join('\n'),
    '## Options of every command',
    optionTable(tree.program.options),
    'How failures are told: [exit codes](../exit-codes.md).',
  ])
}

function commandPage(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const form = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? `<${form}>` : `[${form}]`
  })
  const usage = [commandPath(command), ...names, command.options.length > 0 ? '[options]' : '']
    .filter(Boolean)
    .join(' ')
  const aliases = command.aliases().map((alias) => `\`${alias}\``)
  const rows = command.registeredArguments.map(
    (argument, i) => `| \`${names[i]}\` | ${cell(argument.description)} |`,
  )
  return page([
    `# ${commandPath(command)}`,
    command.description(),
    ['```', usage, '```'].join('\n'),
    aliases.length > 0 ? `Also: ${aliases.join(', ')}` : '',
    rows.length > 0 ? ['| argument | |', '|---|---|', ...rows].join('\n') : '',
    command.options.length > 0 ? optionTable(command.options) : '',
    ['## Examples', '', '```sh', ...(definitions.get(command)?.examples ?? []), '```'].join('\n'),
    '[Options of every command](README.md#options-of-every-command) · [exit codes](../exit-codes.md)',
  ])
}

function optionTable(options: readonly Option[]): string {
  const rows = options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description }) => `| \`${flags}\` | ${cell(description)} |`)
  return ['| option | |', '|---|---|', ...rows].join('\n')
}

function exitCodesPage(): string {
  const rows = exitCodeRows().map(
    ({ exit, meaning, codes }) =>
      `| ${exit} | ${meaning} | ${codes.map((code) => `\`${code}\``).join(' ')} |`,
  )
  return page([
    '# Exit codes',
    'A script decides by the exit code; a program reads the error code. `imgctl help exit-codes` prints this table.',
    ['| exit | meaning | error codes |', '|---|---|---|', ...rows].join('\n'),
    'With `--format json` or `--progress json` an error is one line of JSON on stderr; every key is always there:',
    [
      '```json',
      '{"error":{"code":"NAME_TAKEN","message":"...","context":[],"hint":"...","retryable":false,"status":409,"requestId":"..."}}',
      '```',
    ].join('\n'),
    '`context` has the lines that a terminal shows under the message: the last output of a failed build step, the places where an engine was looked for.',
  ])
}

function page(parts: readonly string[]): string {
  return `${[GENERATED, ...parts.filter((part) => part !== '')].join('\n\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
