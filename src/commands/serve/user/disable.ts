import { resolve } from 'node:path'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { user } from '../../options/user.ts'

export default defineCommand({
  description: 'Stops all that a user has, with the next request',
  arguments: { user },
  options: { data },
  examples: ['imgctl serve user disable bob'],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await users.setEnabled(args.user, false)
    streams.stderr.write(
      `${args.user}  logins, API keys, pushes under way. They are kept, with their keys.:is disabled\n`,
    )
  },
})
