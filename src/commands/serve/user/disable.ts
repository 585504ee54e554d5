import { resolve } from 'node:path'
import { successLine } from '../../../terminal/streams.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { user } from '../../options/user.ts'

export default defineCommand({
  description: 'Stops all that a user has, with the next request.',
  arguments: { user },
  options: { data },
  examples: ['imgctl serve user disable bob'],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await users.setEnabled(args.user, false)
    const text = `${args.user} is disabled: logins, API keys and pushes stop with the next request; nothing is deleted`
    streams.stderr.write(successLine(streams.stderr, text))
  },
})
