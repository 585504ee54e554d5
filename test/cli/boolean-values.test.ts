import { createCommand } from 'commander'
import { describe, expect, test } from 'vitest'
import { takeBooleanValues } from '../../src/cli/boolean-values.ts'

function parse(...args: string[]) {
  const command = createCommand('x')
    .argument('[words...]')
    .option('-q, --quiet')
    .option('-H, --human')
    .option('--no-human')
    .option('--no-trunc')
    .option('--name <text>')
    .exitOverride()
    .configureOutput({ outputError: () => {} })
  takeBooleanValues(command)
  command.parse(args, { from: 'user' })
  return { ...command.opts(), words: command.args }
}

describe('a switch with a value, as docker takes it', () => {
  test.each<[string[], object]>([
    [['--quiet=true'], { quiet: true }],
    [['--quiet=1', '-H=T'], { quiet: true, human: true }],
    [['--quiet=false'], { words: [] }],
    [['--quiet', '--quiet=0'], { words: [] }],
    [['-q=FALSE', '--quiet'], { quiet: true }],
    [['--human=false'], { human: false }],
    [['--human=false', '--human'], { human: true }],
    [['-H=f'], { human: false }],
    [['--no-human=false'], { human: true }],
    [['--no-trunc=true'], { trunc: false }],
    [['--no-trunc', '--no-trunc=False'], { trunc: true }],
    [['--name=true', '--quiet=t'], { name: 'true', quiet: true }],
    [['--', '--quiet=true'], { words: ['--quiet=true'] }],
  ])('%j', (args, expected) => {
    const found = parse(...args)
    expect(found).toMatchObject(expected)
    if (!('quiet' in expected)) expect(found).not.toHaveProperty('quiet', true)
  })

  test.each(['--quiet=', '--quiet=yes', '-q=2', '--no-trunc=constructor'])('%s is a mistake', (word) => {
    expect(() => parse(word)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('true or false') }),
    )
  })

  test('what is no switch is left as it was', () => {
    expect(() => parse('--unknown=true')).toThrow(/unknown option '--unknown=true'/)
  })
})
