import { expect, test } from 'vitest'
import { createCommandTree } from '../../src/cli/command-tree.ts'
import { splitWords } from '../../src/commands/options/words.ts'

const { loadAll } = createCommandTree(async () => {}, {})
const examples = [...(await loadAll()).values()].flatMap((definition) => definition.examples)
/** What shells put in place of something else is not ours to read: pipes, files, the output of programs. */
const plain = examples.filter((line) => line.startsWith('imgctl ') && !/[|<>&;]|\$\(/.test(line))

test('most examples are whole command lines of ours', () => {
  expect(plain.length).toBeGreaterThan(examples.length / 2)
})

test.each(plain)('%s', async (line) => {
  let run = 0
  const { program } = createCommandTree(async () => void run++, { writeErr: () => {} })
  // Throws for an option that there is not, a value that it does not take, or an argument too many.
  await program.parseAsync(splitWords(line)!.slice(1), { from: 'user' })
  expect(run).toBe(1)
})
