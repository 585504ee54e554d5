import { resolve } from 'node:path'
import { successLine } from '../../../terminal/streams.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { user } from '../../options/user.ts'

export default defineCommand({
  description: 'Lets a disabled user in again.',
  arguments: { user },
  options: { data },
  examples: ['imgctl serve user enable bob'],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await users.setEnabled(args.user, true)
    const text = `${args.user} is enabled: the password and the API keys work as before`
    streams.stderr.write(successLine(streams.stderr, text))
  },
})
