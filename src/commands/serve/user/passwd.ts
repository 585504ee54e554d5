import { resolve } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { ImgctlError } from '../../../errors/error.ts'
import { printRecords } from '../../../terminal/records.ts'
import type { Output } from '../../../terminal/streams.ts'
import { defineCommand } from '../../command.ts'
import { data } from '../../options/data-folder.ts'
import { flag } from '../../options/kinds.ts'
import { format } from '../../options/output.ts'
import { user } from '../../options/user.ts'
import { printSetupLink, SETUP_LINK_VIEW } from '../../views/setup-link.ts'

export default defineCommand({
  description: `Prints a link with which the user sets a new password, once, within a day; earlier links end. The old password
works until then. With --password-stdin the password is set at once. A new password ends the user's logins, in browsers
and on command lines. API keys stay, for CI goes on with them: --revoke-keys ends them too, at once.`,
  arguments: { user },
  options: {
    data,
    passwordStdin: flag('--password-stdin', 'set the password that is on stdin'),
    revokeKeys: flag('--revoke-keys', "end all of the user's API keys, in every organization, now"),
    format: format(),
  },
  examples: [
    'imgctl serve user passwd administrator',
    'imgctl serve user passwd alice --password-stdin < password.txt',
    'imgctl serve user passwd alice --revoke-keys',
  ],
  async run({ args, options }, { streams: { stdin, stdout, stderr }, serverUsers, serverDataDir }) {
    const users = await serverUsers(resolve(options.data ?? serverDataDir))
    const endKeys = async (left: number) => {
      if (options.revokeKeys) tellRevoked(stderr, await users.revokeKeys(args.user))
      else tellLeft(stderr, left)
    }
    if (options.passwordStdin) {
      const password = (await readText(stdin)).replace(/\r?\n$/, '')
      if (password === '') throw new ImgctlError('USAGE', 'there is no password on stdin')
      const left = await users.setPassword(args.user, password)
      stderr.write(`The password of ${args.user} is set; their logins have ended\n`)
      return endKeys(left)
    }
    const link = await users.setupLink(args.user)
    await endKeys(link.apiKeys)
    const shown = options.revokeKeys ? { ...link, apiKeys: 0 } : link
    if (options.format.kind === 'table') printSetupLink({ stdout, stderr }, shown)
    else await printRecords(stdout, shown, SETUP_LINK_VIEW, options)
  },
})

function tellLeft(stderr: Output, count: number): void {
  if (count === 0) return
  stderr.write(
    `Their ${keys(count)} ${count === 1 ? 'stays' : 'stay'}: they end one with imgctl key revoke, --revoke-keys ends all\n`,
  )
}

function tellRevoked(stderr: Output, count: number): void {
  stderr.write(count === 0 ? 'They have no API keys\n' : `Revoked their ${keys(count)}\n`)
}

function keys(count: number): string {
  return count === 1 ? '1 API key' : `${count} API keys`
}
