import { resolve } from 'node:path'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { FIRST_ORGANIZATION, user } from '../../options/user.ts'

export default defineCommand({
  description: `Takes the user out of an organization (default: ${FIRST_ORGANIZATION}), with the API keys that they have there.
What they push or pull stops with its next request.`,
  arguments: { user },
  options: { data },
  examples: ['imgctl serve user revoke bob --organization team'],
  async run({ args, options }, { flags, streams, serverUsers, serverDataDir }) {
    const slug = flags.organization ?? FIRST_ORGANIZATION
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await users.revoke(args.user, slug)
    streams.stderr.write(`${args.user} is not in ${slug} any more\n`)
  },
})
