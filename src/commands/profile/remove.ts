import { successLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description: 'Forgets a profile: its server and its login.',
  arguments: { name: required('<name>', 'the profile') },
  options: {},
  examples: ['imgctl profile remove work'],
  async run({ args }, { streams, profiles, logins, signal }) {
    const profile = (await profiles.read()).profiles.get(args.name)
    if (profile) await (await logins()).remove({ profile: args.name, server: profile.server }, signal)
    await profiles.remove(args.name)
    streams.stderr.write(successLine(streams.stderr, `Profile ${args.name} removed`))
  },
})
