import { successLine } from '../../terminal/streams.ts'
import { defineCommand } from '../command.ts'
import { required } from '../options/kinds.ts'

export default defineCommand({
  description: `Ends an API key at once, and with it the keys that it made. Registry access that was given for it ends within a minute.`,
  arguments: { name: required('<name>', 'the key') },
  options: {},
  examples: ['imgctl key revoke ci'],
  async run({ args }, { streams: { stderr }, server, signal }) {
    await (await server()).revokeApiKey(args.name, signal)
    stderr.write(successLine(stderr, `Key ${args.name} revoked`))
  },
})
