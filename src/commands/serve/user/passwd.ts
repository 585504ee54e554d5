import { resolve } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { ImgctlError } from '../../../errors/error.ts'
import { printRecords } from '../../../terminal/records.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { flag } from '../../options/kinds.ts'
import { format } from '../../options/output.ts'
import { user } from '../../options/user.ts'
import { printSetupLink, SETUP_LINK_VIEW } from '../../views/setup-link.ts'

export default defineCommand({
  description: `Prints a link with which the user sets a new password, once, within a day; earlier links end. The old password
works until then. With --password-stdin the password is set at once, and the user's logins end.`,
  arguments: { user },
  options: {
    data,
    passwordStdin: flag('--password-stdin', 'set the password that is on stdin'),
    format: format(),
  },
  examples: [
    'imgctl serve user passwd administrator',
    'imgctl serve user passwd alice --password-stdin < password.txt',
  ],
  async run({ args, options }, { streams, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    if (options.passwordStdin) {
      const password = (await readText(streams.stdin)).replace(/\r?\n$/, '')
      if (password === '') throw new ImgctlError('USAGE', 'there is no password on stdin')
      await users.setPassword(args.user, password)
      streams.stderr.write(`The password of ${args.user} is set; their logins have ended\n`)
      return
    }
    const link = await users.setupLink(args.user)
    if (options.format.kind === 'table') printSetupLink(streams, link)
    else await printRecords(streams.stdout, link, SETUP_LINK_VIEW, options)
  },
})
