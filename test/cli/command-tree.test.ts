import { expect, test } from 'vitest'
import { createCommandTree } from '../../src/cli/command-tree.ts'

/** Commander holds `--no-x` as `x`, true unless it is given: both kinds of switch must come out as their names say. */
test.each([
  [['image', 'build'], 'noCache', false],
  [['image', 'build', '--no-cache'], 'noCache', true],
  [['image', 'history', 'app:1.0'], 'noTrunc', false],
  [['image', 'history', 'app:1.0', '--no-trunc'], 'noTrunc', true],
  [['image', 'push', 'app:1.0'], 'wait', true],
  [['image', 'push', 'app:1.0', '--no-wait'], 'wait', false],
])('%j: %s is %s', async (args, option, value) => {
  let options: object = {}
  const { program } = createCommandTree(async ({ input }) => {
    options = input.options
  }, {})
  await program.parseAsync(args, { from: 'user' })
  expect(options).toHaveProperty(option, value)
})
