import { resolve } from 'node:path'
import { ImgctlError } from '../../../errors/error.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { permissionsOf } from '../../options/permissions.ts'
import { FIRST_ORGANIZATION, permissions, user } from '../../options/user.ts'

export default defineCommand({
  description: `Makes the user a member of an organization (default: ${FIRST_ORGANIZATION}) with these permissions and no
others. API keys that they have there can do no more from now on.`,
  arguments: { user },
  options: { data, permissions },
  examples: [
    'imgctl serve user grant alice --permission admin',
    'imgctl serve user grant bob --organization team --permission read:images,write:images',
  ],
  async run({ args, options }, { flags, streams, serverUsers, serverDataDir }) {
    const given = permissionsOf('--permission', options.permissions)
    if (given.length === 0) {
      throw new ImgctlError('USAGE', 'say what the user may do with --permission', {
        hint: 'to take them out of the organization: imgctl serve user revoke',
      })
    }
    const slug = flags.organization ?? FIRST_ORGANIZATION
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    await users.grant(args.user, slug, given)
    streams.stderr.write(`${args.user} may now in ${slug}: ${given.join(', ')}\n`)
  },
})
