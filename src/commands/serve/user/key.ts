import { resolve } from 'node:path'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { text } from '../../options/kinds.ts'
import { permissionsOf } from '../../options/permissions.ts'
import { permissions, user } from '../../options/user.ts'

export default defineCommand({
  description: `Makes an API key for a user and prints it, this one time: for a robot, or when the key of the first start was
lost. Without --permission it may do all that the user may.`,
  arguments: { user },
  options: {
    data,
    name: text('--name <name>', 'the name of the key (default: one that says when it was made)'),
    permissions,
  },
  examples: [
    'imgctl serve user key administrator',
    'imgctl serve user key robot --name ci --permission write:images | imgctl login --api-key-stdin',
  ],
  async run({ args, options }, { flags, streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    const { name, value } = await users.createKey(args.user, {
      name: options.name,
      organization: flags.organization,
      permissions: permissionsOf('--permission', options.permissions),
    })
    streams.stderr.write(`API key '${name}' of ${args.user}, shown this once:\n`)
    streams.stdout.write(`${value}\n`)
  },
})
