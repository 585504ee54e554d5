import { expect, test } from 'vitest'
import type { CompletedCommand } from '../../../src/operations/completion/command.ts'
import { completionScript, SHELLS } from '../../../src/operations/completion/script.ts'

/** Words that mean something to a shell, where summaries come from people. */
const SUMMARY = `it's "$(touch pwned)" \`x\` \\ 50% a:b`
const COMMANDS: CompletedCommand[] = [
  {
    path: '',
    subcommands: [{ names: ['run', 'r'], summary: SUMMARY }],
    options: [{ names: ['-h', '--help'], summary: SUMMARY, value: undefined }],
    operands: [],
    repeats: false,
  },
  { path: 'run', subcommands: [], options: [], operands: ['name'], repeats: true },
]

test.each([
  ['zsh', String.raw`'run:it'\''s "$(touch pwned)" ${'`x`'} \ 50% a:b'`],
  ['fish', String.raw`'run	it\'s "$(touch pwned)" ${'`x`'} \\ 50% a:b'`],
  ['powershell', `@('run', 'it''s "$(touch pwned)" \`x\` \\ 50% a:b')`],
] as const)('%s: a summary stays text', (shell, quoted) => {
  expect(completionScript(shell, COMMANDS)).toContain(quoted)
})

test.each(SHELLS)('%s: made from the commands alone', (shell) => {
  const script = completionScript(shell, COMMANDS)
  expect(script).toContain(`imgctl completion ${shell}`)
  expect(script).toContain('imgctl __complete')
  expect(completionScript(shell, COMMANDS)).toBe(script)
})
