import { flag, required, text } from './kinds.ts'

export const registry = required('<registry>', 'its name, host or id')

export const username = text('-u, --username <name>', 'the user name, or what the registry wants there')

export const password = text(
  '-p, --password <password>',
  'the password (other users of this machine can see it while the command runs)',
)

export const passwordStdin = flag('--password-stdin', 'read the password, or a token, from stdin')

export const project = text('--project <path>', 'a note: the path prefix that the credential is for')
