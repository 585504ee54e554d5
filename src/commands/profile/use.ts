import { successLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  arguments: { name: required('<name>', 'the profile') },
  options: {},
  examples: ['imgctl profile use work'],
  async run({ args }, { streams, profiles }) {
    await profiles.activate(args.name)
    streams.stderr.write(successLine(streams.stderr, `Profile ${args.name} is now active`))
  },
})
