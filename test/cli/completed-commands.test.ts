import { expect, test } from 'vitest'
import { completedCommands } from '../../src/cli/completed-commands.ts'

const commands = await completedCommands()
const command = (path: string) => {
  const found = commands.find((each) => each.path === path)
  if (!found) throw new Error(`no command ${path}`)
  return found
}
const kindOfValue = (path: string, name: string) =>
  command(path).options.find(({ names }) => names.includes(name))?.value

test('the program comes first, and each command once', () => {
  const paths = commands.map(({ path }) => path)
  expect(paths[0]).toBe('')
  expect(new Set(paths).size).toBe(paths.length)
  expect(paths).toContain('image push')
})

test('every command has a summary, its own options and those of all commands', () => {
  for (const { path, subcommands, options } of commands) {
    for (const { names, summary } of subcommands) expect(summary, `${path} ${names[0]}`).not.toBe('')
    const names = options.flatMap((option) => option.names)
    expect(names, path).toEqual(expect.arrayContaining(['-h', '--help', '--profile', '--server', '--debug']))
    expect(names.includes('--version'), path).toBe(path === '')
  }
})

test.each([
  ['image push', '--digest-file', 'file'],
  ['image push', '--via', 'words auto engine direct'],
  ['image push', '--quiet', undefined],
  ['image list', '-f', 'words table json yaml'],
  ['serve', '--data', 'folder'],
  ['serve', '--profile', 'name'],
  ['serve', '--server', 'any'],
])('%s %s takes %s', (path, name, value) => {
  expect(kindOfValue(path, name)).toBe(value)
})

test.each([
  ['image push', ['name-or-archive'], false],
  ['image delete', ['name'], true],
  ['profile use', ['name'], false],
  ['api', ['words GET HEAD POST PUT PATCH DELETE', 'any'], false],
  ['completion', ['words bash zsh fish powershell'], false],
])('%s takes %j, again: %s', (path, operands, repeats) => {
  expect(command(path)).toMatchObject({ operands, repeats })
})
