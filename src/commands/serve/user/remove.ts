import { resolve } from 'node:path'
import { successLine } from '../../../terminal/streams.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { flag } from '../../options/kinds.ts'
import { user } from '../../options/user.ts'

export default defineCommand({
  description: `Removes a user with their API keys and logins; what they push stops with its next request. Images stay: they
are the organization's. Asks first, unless --yes is given. Who logs in at another issuer is made anew at their next
login: to keep them out, disable them.`,
  arguments: { user },
  options: { data, yes: flag('-y, --yes', 'do not ask') },
  examples: ['imgctl serve user remove bob', 'imgctl serve user remove bob --yes'],
  async run({ args, options }, { streams, serverUsers, serverDataDir, confirm }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    if (!options.yes && !(await confirm(`Remove ${args.user} and their API keys?`, '--yes'))) {
      streams.stderr.write('Nothing was removed\n')
      return
    }
    const { apiKeys, issuer } = await users.remove(args.user)
    const keys = apiKeys === 1 ? '1 API key' : `${apiKeys} API keys`
    streams.stderr.write(successLine(streams.stderr, `Removed ${args.user} and ${keys}`))
    if (issuer === null) return
    streams.stderr.write(
      `Their next login at ${issuer} lets them in anew: imgctl serve user disable keeps them out\n`,
    )
  },
})
