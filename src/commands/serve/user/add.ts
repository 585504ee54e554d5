import { resolve } from 'node:path'
import { printRecords } from '../../../terminal/records.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { required, text } from '../../options/kinds.ts'
import { format } from '../../options/output.ts'
import { permissionsOf } from '../../options/permissions.ts'
import { FIRST_ORGANIZATION, permissions, USUAL_PERMISSIONS } from '../../options/user.ts'
import { printSetupLink, SETUP_LINK_VIEW } from '../../views/setup-link.ts'

export default defineCommand({
  description: `Lets a user in: they set their password with the link that is printed. Without --permission they may push
and pull images. By the server's data folder; the server may run meanwhile.`,
  arguments: { login: required('<login>', 'what they type to log in: a name or an e-mail address') },
  options: {
    data,
    name: text('--name <name>', 'the name to show (default: the user name)'),
    email: text('--email <address>', 'the e-mail address'),
    permissions,
    format: format(),
  },
  examples: [
    'imgctl serve user add alice',
    'imgctl serve user add bob@example.com --organization team --permission admin',
  ],
  async run({ args, options }, { flags, streams, serverUsers, serverDataDir }) {
    const given = permissionsOf('--permission', options.permissions)
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    const link = await users.add({
      login: args.login,
      name: options.name,
      email: options.email,
      organization: flags.organization ?? FIRST_ORGANIZATION,
      permissions: given.length > 0 ? given : USUAL_PERMISSIONS,
    })
    if (options.format.kind === 'table') printSetupLink(streams, link)
    else await printRecords(streams.stdout, link, SETUP_LINK_VIEW, options)
  },
})
