import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description: 'Forgets a profile: its server and its key.',
  arguments: { name: required('<name>', 'the profile') },
  options: {},
  examples: ['imgctl profile remove work'],
  async run({ args }, { streams, profiles, credentials }) {
    await profiles.remove(args.name)
    await credentials().remove(args.name)
    streams.stderr.write(`${streams.stderr.style.green('✓')} Profile ${args.name} removed\n`)
  },
})
